import { command } from '../command.ts';
import { table } from '../table.ts';

export const image = command({
  usage: 'image <action> [images..]',
  description:
    'Load images into the node, from the engine by name or from an archive (`load`), or built from Debian packages by a recipe (`build`); show those that it has (`ls`)',
  json: 'document',
  options: (yargs) =>
    yargs.positional('action', { choices: ['load', 'build', 'ls'] as const, demandOption: true }).positional('images', {
      type: 'string',
      array: true,
      default: [] as string[],
      describe: 'names of images, archives as `docker save` writes them, or names of recipes',
    }),
  run: async ({ action, images, profile: name, output: format }, { context, output }) => {
    const [{ buildAndLoad, listImages, loadImage }, { requireRunning }, { failure }] = await Promise.all([
      import('../../cluster/images.ts'),
      import('../../cluster/running.ts'),
      import('../../cluster/reasons.ts'),
    ]);
    const profile = await requireRunning(name, context);
    if (action === 'ls') {
      const found = await listImages(profile, context);
      if (format === 'json') output.document(found);
      else
        output.text(
          table(
            ['IMAGE', 'SIZE'],
            found.map(({ names, sizeBytes }) => [names.at(-1) ?? '', `${(sizeBytes / 1e6).toFixed(1)} MB`]),
          ),
        );
      return 0;
    }
    if (images.length === 0) throw failure('USAGE', 'name an image');
    const loaded: string[] = [];
    for (const image of images) loaded.push(...(await (action === 'build' ? buildAndLoad : loadImage)(image, profile, context)));
    if (format === 'json') output.document(loaded);
    else output.text(loaded.map((entry) => `loaded ${entry}`).join('\n'));
    return 0;
  },
});
