/** What the API rules that the page shares with the node use of Node.js: the bundler puts it in where they name it. */
export const Buffer = {
  byteLength: (text: string): number => new TextEncoder().encode(text).length,
};
