// Starts AWS's runtime interface client for Node.js the way the Lambda service lays out its modules.

import { existsSync } from 'node:fs';
import nodeModule from 'node:module';

const root = process.env.LAMBDA_TASK_ROOT;
const handler = process.env._HANDLER;

if (nodeModule.registerHooks) {
  const { resolveSync } = await import('./resolve.mjs');
  nodeModule.registerHooks({ resolve: resolveSync });
} else if (nodeModule.register) {
  const { needsHooks } = await import('./legacy.mjs');
  if (needsHooks(root, handler)) {
    nodeModule.register('./resolve.mjs', import.meta.url);
  }
}

// Releases before 4 export their entry point; from 4 on the client starts by being loaded.
const exported = new URL('./client/dist/index.mjs', import.meta.url);
if (existsSync(exported)) {
  const { run } = await import(exported.href);
  await run(root, handler);
} else {
  await import('./client/index.mjs');
}
