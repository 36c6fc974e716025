/**
 * What browsers are told. Pages and scripts come from us alone, nothing is loaded from elsewhere, nobody may frame the page; what the API
 * answers is data and never a page (a pod's answer through the API's proxy could be one, and would run with our origin's token).
 */
const COMMON = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
} as const;

export const PAGE_HEADERS = {
  ...COMMON,
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'cache-control': 'no-cache',
} as const;

export const API_HEADERS = {
  ...COMMON,
  'content-security-policy': "default-src 'none'; sandbox; frame-ancestors 'none'",
  'cache-control': 'no-store',
} as const;
