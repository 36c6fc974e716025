import { command } from '../command.ts';

export const completion = command({
  usage: 'completion <shell>',
  description: "Print the script that makes a shell complete rockpool's commands: `source <(rockpool completion bash)`",
  json: 'none',
  options: (yargs) => yargs.positional('shell', { choices: ['bash', 'zsh'] as const, demandOption: true }),
  run: async ({ shell }, { output }) => {
    output.text(shell === 'bash' ? BASH : ZSH);
    return 0;
  },
});

/** The words come from yargs, asked through its own flag. */
const BASH = `# bash completion for rockpool
_rockpool_complete() {
    local word="\${COMP_WORDS[COMP_CWORD]}" IFS=$'\\n'
    COMPREPLY=($(compgen -W "$(rockpool --get-yargs-completions "\${COMP_WORDS[@]}")" -- "$word"))
}
complete -o bashdefault -o default -F _rockpool_complete rockpool`;

const ZSH = `#compdef rockpool
_rockpool_complete() {
    local -a replies
    replies=("\${(@f)$(COMP_CWORD="$((CURRENT - 1))" COMP_LINE="$BUFFER" COMP_POINT="$CURSOR" rockpool --get-yargs-completions "\${words[@]}")}")
    _describe 'rockpool' replies
}
compdef _rockpool_complete rockpool`;
