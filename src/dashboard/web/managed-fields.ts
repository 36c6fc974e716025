/** Who manages which field is noise to a reader; the API server keeps it when it is not sent back. */
export function withoutManagedFields(yaml: string): string {
  return yaml.replace(/^( {2})managedFields:.*\n(?:\1[ -].*\n)*/m, '');
}
