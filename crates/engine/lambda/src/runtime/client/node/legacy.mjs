// For Node before 22.15, whose hooks take a thread of their own and double the time of a start: whether
// a function may need them. It does when its handler is an ES module that imports a package, by itself
// or through modules of its own. What cannot be told counts as if it did.

import { existsSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, resolve } from 'node:path';

const SPECIFIERS = /\b(?:import|from)\s*\(?\s*(['"])(.*?)\1/g;
const UNCLEAR = /\bimport\s*\(\s*[^'"\s]|\b(?:import|from)\s*\/[*/]/;

export function needsHooks(root, handler) {
  const file = moduleOf(root, handler);
  return file !== undefined && importsPackages(file, new Set());
}

/** The handler's file, where the client will load it as an ES module. */
function moduleOf(root, handler) {
  const start = handler.lastIndexOf('/') + 1;
  const file = resolve(root, handler.slice(0, start), handler.slice(start).split('.')[0]);
  if (existsSync(`${file}.js`)) {
    return isModuleFolder(dirname(file)) ? `${file}.js` : undefined;
  }
  return existsSync(`${file}.mjs`) ? `${file}.mjs` : undefined;
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

function importsPackages(file, seen) {
  if (seen.has(file)) {
    return false;
  }
  seen.add(file);
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return true;
  }
  const imported = [...text.matchAll(SPECIFIERS)].map((match) => match[2]);
  const followed = (specifier) =>
    /^\.{0,2}\//.test(specifier) && !importsPackages(resolve(dirname(file), specifier), seen);
  return UNCLEAR.test(text) || !imported.every((it) => isBuiltin(it) || followed(it));
}
