/** The string formats that a CRD may ask for (apiextensions' supported formats). What is not here is not checked, as upstream. */
import { cidrProblems, isIPv4, isIPv6 } from '../validation/names.ts';

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const DATE = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/;
const DATE_TIME = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:?\d{2})$/;
const DURATION = /^-?(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+$|^0$/;
/** Spelled-out durations: `1 day`, `3 hours`. */
const WORDED_DURATION =
  /^(?:\d+\s*(?:ns|nano|nanos|nanosecond|nanoseconds|us|micro|micros|microsecond|microseconds|ms|milli|millis|millisecond|milliseconds|s|sec|secs|second|seconds|m|min|mins|minute|minutes|h|hr|hrs|hour|hours|d|day|days|w|wk|week|weeks)\s*)+$/;
const EMAIL = /^[^\s@<>]+@[^\s@<>]+$/;
const HOSTNAME = /^(?=.{1,255}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?$/;
const MAC = /^[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}(?:(?:[:-][0-9A-Fa-f]{2}){2})?$/;
const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
const uuidOf = (version: number): RegExp => new RegExp(`^[0-9a-f]{8}-?[0-9a-f]{4}-?${version}[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$`, 'i');
const LABEL = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;

const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  bsonobjectid: (text) => /^[0-9a-f]{24}$/i.test(text),
  byte: (text) => BASE64.test(text),
  cidr: (text) => cidrProblems(text).length === 0,
  creditcard: (text) => /^\d[\d -]{11,22}\d$/.test(text),
  date: (text) => DATE.test(text) && !Number.isNaN(Date.parse(text)),
  datetime: (text) => DATE_TIME.test(text) && !Number.isNaN(Date.parse(text)),
  duration: (text) => DURATION.test(text) || WORDED_DURATION.test(text),
  email: (text) => EMAIL.test(text),
  hexcolor: (text) => /^#?(?:[0-9a-f]{3}|[0-9a-f]{6})$/i.test(text),
  hostname: (text) => HOSTNAME.test(text),
  ipv4: isIPv4,
  ipv6: isIPv6,
  isbn: (text) => isIsbn10(text) || isIsbn13(text),
  isbn10: isIsbn10,
  isbn13: isIsbn13,
  k8sshortname: (text) => LABEL.test(text),
  k8slongname: (text) => text.length <= 253 && text.split('.').every((part) => LABEL.test(part)),
  mac: (text) => MAC.test(text),
  rgbcolor: (text) => /^rgb\(\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*\)$/.test(text),
  ssn: (text) => /^\d{3}[- ]?\d{2}[- ]?\d{4}$/.test(text),
  uri: (text) => URL.canParse(text) || text.startsWith('/'),
  uuid: (text) => UUID.test(text),
  uuid3: (text) => uuidOf(3).test(text),
  uuid4: (text) => uuidOf(4).test(text),
  uuid5: (text) => uuidOf(5).test(text),
};

/** Whether `text` has the format; true for formats that are not checked. Dashes in a format's name do not count (`date-time`). */
export function hasFormat(format: string, text: string): boolean {
  const name = format.replaceAll('-', '');
  return Object.hasOwn(FORMATS, name) ? FORMATS[name]!(text) : true;
}

function isIsbn10(text: string): boolean {
  const digits = text.replaceAll(/[- ]/g, '');
  if (!/^\d{9}[\dXx]$/.test(digits)) return false;
  return [...digits].reduce((sum, digit, at) => sum + (10 - at) * (/x/i.test(digit) ? 10 : Number(digit)), 0) % 11 === 0;
}

function isIsbn13(text: string): boolean {
  const digits = text.replaceAll(/[- ]/g, '');
  return /^\d{13}$/.test(digits) && [...digits].reduce((sum, digit, at) => sum + (at % 2 ? 3 : 1) * Number(digit), 0) % 10 === 0;
}
