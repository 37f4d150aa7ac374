// Starts AWS's runtime interface client for Node.js the way the Lambda service lays out its modules.

import { existsSync, readFileSync } from 'node:fs';
import nodeModule from 'node:module';
import { dirname, join, resolve } from 'node:path';

const root = process.env.LAMBDA_TASK_ROOT;
const handler = process.env._HANDLER;
process.chdir(root);

if (nodeModule.registerHooks) {
  const { resolveSync } = await import('./resolve.mjs');
  nodeModule.registerHooks({ resolve: resolveSync });
} else if (nodeModule.register && isModule(handler)) {
  // These hooks cost a thread, and that a quarter of a start: only ES modules pay for it.
  nodeModule.register('./resolve.mjs', import.meta.url);
}

// Releases before 4 export their entry point; from 4 on the client starts by being loaded.
const exported = new URL('./client/dist/index.mjs', import.meta.url);
if (existsSync(exported)) {
  const { run } = await import(exported.href);
  await run(root, handler);
} else {
  await import('./client/index.mjs');
}

/** Whether the client will load the handler's file as an ES module. */
function isModule(name) {
  const start = name.lastIndexOf('/') + 1;
  const file = resolve(root, name.slice(0, start), name.slice(start).split('.')[0]);
  return existsSync(`${file}.js`) ? isModuleFolder(dirname(file)) : existsSync(`${file}.mjs`);
}

function isModuleFolder(folder) {
  const description = join(folder, 'package.json');
  if (existsSync(description)) {
    try {
      return JSON.parse(readFileSync(description, 'utf8')).type === 'module';
    } catch {
      return false; // The client says what is wrong with it.
    }
  }
  return folder !== dirname(folder) && isModuleFolder(dirname(folder));
}
