/**
 * The Huffman code of RFC 7541, appendix B: which bytes (and 256, the end) have a code of how many bits. The code is canonical, so that the
 * lengths say all of it: codes of one length are consecutive numbers in the order of their symbols.
 */
const SYMBOLS: Readonly<Record<number, readonly number[]>> = {
  5: [48, 49, 50, 97, 99, 101, 105, 111, 115, 116],
  6: [32, 37, 45, 46, 47, 51, 52, 53, 54, 55, 56, 57, 61, 65, 95, 98, 100, 102, 103, 104, 108, 109, 110, 112, 114, 117],
  7: [
    58, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 89, 106, 107, 113, 118, 119, 120, 121, 122,
  ],
  8: [38, 42, 44, 59, 88, 90],
  10: [33, 34, 40, 41, 63],
  11: [39, 43, 124],
  12: [35, 62],
  13: [0, 36, 64, 91, 93, 126],
  14: [94, 125],
  15: [60, 96, 123],
  19: [92, 195, 208],
  20: [128, 130, 131, 162, 184, 194, 224, 226],
  21: [153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230],
  22: [129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190, 196, 198, 228, 232, 233],
  23: [
    1, 135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174, 175, 180, 182, 183, 188, 191, 197,
    231, 239,
  ],
  24: [9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237],
  25: [199, 207, 234, 235],
  26: [192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255],
  27: [203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252, 253, 254],
  28: [2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127, 220, 249],
  30: [10, 13, 22, 256],
};
const LONGEST = 30;
const END = 256;
/** A text ends inside a byte; the rest of it are at most so many ones, the beginning of END. */
const MOST_PADDING = 7;

/** The first code of each length; codes of one length that are not smaller than it, and by less than there are symbols, are of that length. */
const FIRST: readonly number[] = firstCodes();

/** Throws for what is no text in this code. */
export function decodeHuffman(bytes: Uint8Array): string {
  const found: number[] = [];
  let code = 0;
  let length = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = code * 2 + ((byte >> bit) & 1);
      length++;
      const symbol = SYMBOLS[length]?.[code - FIRST[length]!];
      if (symbol === END || (symbol === undefined && length === LONGEST)) throw new Error('malformed Huffman code');
      if (symbol === undefined) continue;
      found.push(symbol);
      code = 0;
      length = 0;
    }
  }
  if (length > MOST_PADDING || code !== 2 ** length - 1) throw new Error('malformed Huffman code: it ends inside a symbol');
  return Buffer.from(found).toString('latin1');
}

function firstCodes(): number[] {
  const first: number[] = [];
  let next = 0;
  for (let length = 0; length <= LONGEST; length++) {
    first.push(next);
    next = (next + (SYMBOLS[length]?.length ?? 0)) * 2;
  }
  return first;
}
