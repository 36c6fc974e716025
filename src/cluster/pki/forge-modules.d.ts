// node-forge's typings describe only the whole library; these two of its modules are loaded alone because the whole costs 60 ms.
declare module 'node-forge/lib/asn1.js' {
  import type { asn1 } from 'node-forge';
  const module: typeof asn1;
  export default module;
}

declare module 'node-forge/lib/x509.js' {
  import type { asn1, pki } from 'node-forge';
  const module: typeof pki & {
    distinguishedNameToAsn1(name: { attributes: unknown[] }): asn1.Asn1;
    certificateExtensionsToAsn1(extensions: unknown[]): asn1.Asn1;
  };
  export default module;
}
