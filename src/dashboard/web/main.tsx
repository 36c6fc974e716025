import { render } from 'preact';
import { App } from './app.tsx';
import { followAddress } from './route.ts';
import { restoreToken } from './token.ts';

await restoreToken(location, history);
followAddress(window);
render(<App />, document.querySelector('#app')!);
