/**
 * Expands `$(NAME)` in commands, arguments and values. What is not defined stays as it is; `$$` is a literal `$`
 * (third_party/forked/golang/expansion upstream; API convention of container.command).
 */
export function expandVariables(text: string, lookup: (name: string) => string | undefined): string {
  return text.replaceAll(/\$(?:\$|\(([^)]*)\))/g, (whole, name: string | undefined) =>
    name === undefined ? '$' : (lookup(name) ?? whole),
  );
}
