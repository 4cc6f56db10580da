// Sets up a clone: installs the dependencies and builds the packages, skips what is already done, and says which.
// Uses nothing but Node, since it runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamps = join(root, 'node_modules', '.strata');
const oldestNode = [20, 19];
const installMend =
  'the dependencies could not be installed. npm says why above; most often it cannot reach its registry. Check the network, the proxy ' +
  '(npm config get proxy) and the registry (npm config get registry), then run `npm start` again. Without a network, copy node_modules ' +
  'from a clone of the same commit that was installed on the same system, or fill the npm cache and set npm_config_offline=true.';

/**
 * Runs a program in the clone and ends this process with the program's exit code when it fails; or, where `mend` says what to do about it,
 * with that sentence and the code of a missing component.
 */
export function run(program, args, { mend, ...options } = {}) {
  const result = spawnSync(program, args, { cwd: root, stdio: 'inherit', ...options });
  if (result.error) {
    console.error(`strata set-up: cannot run ${program}: ${result.error.message}`);
    process.exit(3);
  }
  if (result.signal) process.exit(130);
  if (result.status === 0) return;
  if (mend === undefined) process.exit(result.status ?? 1);
  console.error(`strata set-up: ${mend}`);
  process.exit(3);
}

function packageFolders() {
  return readdirSync(join(root, 'packages'))
    .map((name) => join(root, 'packages', name))
    .filter((dir) => existsSync(join(dir, 'package.json')));
}

function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

function hashOf(files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(relative(root, file)).update('\0').update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}

/** Runs `work` unless the stamp of that name already holds the hash of `files`. */
function once(name, files, doing, done, work) {
  const stamp = join(stamps, name);
  const hash = hashOf(files);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) {
    console.error(`strata set-up: ${done}`);
    return;
  }
  console.error(`strata set-up: ${doing}`);
  work();
  mkdirSync(stamps, { recursive: true });
  writeFileSync(stamp, hash);
}

export function setup() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1])) {
    console.error(
      `strata set-up: this is Node ${process.versions.node}; Strata needs ${oldestNode.join('.')} or newer.`,
    );
    process.exit(3);
  }
  const manifests = [
    join(root, 'package.json'),
    join(root, 'package-lock.json'),
    ...packageFolders().map((dir) => join(dir, 'package.json')),
  ];
  once('install', manifests, 'installing dependencies (npm ci) ...', 'dependencies are installed, skipped.', () =>
    run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { mend: installMend }),
  );
  const sources = [
    join(root, 'tsconfig.base.json'),
    join(root, 'package-lock.json'),
    ...packageFolders().flatMap((dir) =>
      [...filesBelow(join(dir, 'src')), join(dir, 'tsconfig.json')].filter((file) => existsSync(file)),
    ),
  ];
  once('build', sources, 'building the packages (tsc -b) ...', 'the build is up to date, skipped.', () =>
    run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b']),
  );
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) setup();
