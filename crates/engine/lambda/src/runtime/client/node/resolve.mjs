// Lets ES modules find what lies on NODE_PATH, which Node itself offers to `require` alone: layers,
// and the SDK that the runtime brings along. Everything else comes first.

import { basename, delimiter, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

// A package in /opt/nodejs/node_modules is what a file in /opt/nodejs would find.
const neighbours = (process.env.NODE_PATH ?? '')
  .split(delimiter)
  .filter((folder) => basename(folder) === 'node_modules')
  .map((folder) => pathToFileURL(join(dirname(folder), 'any.mjs')).href);

function attempts(specifier, context) {
  const isBare = !/^(\.{0,2}\/|#|[a-z][a-z\d+.-]*:)/i.test(specifier);
  const elsewhere = isBare ? neighbours : [];
  return [context, ...elsewhere.map((parentURL) => ({ ...context, parentURL }))];
}

function isMissing(error) {
  return error?.code === 'ERR_MODULE_NOT_FOUND';
}

/** For `module.register`, whose hooks run in a thread of their own. */
export async function resolve(specifier, context, next) {
  let missing;
  for (const attempt of attempts(specifier, context)) {
    try {
      return await next(specifier, attempt);
    } catch (error) {
      if (!isMissing(error)) {
        throw error;
      }
      missing ??= error;
    }
  }
  throw missing;
}

/** For `module.registerHooks`, whose hooks run in place. */
export function resolveSync(specifier, context, next) {
  let missing;
  for (const attempt of attempts(specifier, context)) {
    try {
      return next(specifier, attempt);
    } catch (error) {
      if (!isMissing(error)) {
        throw error;
      }
      missing ??= error;
    }
  }
  throw missing;
}
