/** The one thing that we take from spdy-transport: SPDY's compression dictionary. The package brings no types. */
declare module 'spdy-transport/lib/spdy-transport/protocol/spdy/dictionary.js' {
  const dictionary: Record<'2' | '3', Buffer>;
  export default dictionary;
}
