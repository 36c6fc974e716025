/** YAML to read: keys stand out from values. */
export function YamlView({ text }: { text: string }) {
  return (
    <pre class="code" tabIndex={0} aria-label="The object as YAML">
      {text.split('\n').map((line, index) => {
        const [, indent, key, rest] = /^(\s*(?:- )*)([\w./"'-]+:)(?=\s|$)(.*)$/.exec(line) ?? [];
        return (
          <span key={index}>
            {key === undefined ? (
              line
            ) : (
              <>
                {indent}
                <b>{key}</b>
                {rest}
              </>
            )}
            {'\n'}
          </span>
        );
      })}
    </pre>
  );
}
