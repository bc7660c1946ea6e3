import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import test from 'ava'

import { commands } from '../cli/commands.ts'
import { Chronicle } from '../index.ts'
import { chronicle, fails, prints } from './helpers/command.ts'
import { flip, segment } from './helpers/files.ts'
import { folder, fresh, nowhere } from './helpers/temporary.ts'
import { listFiles, readText } from './helpers/repository.ts'

test('the command is built on the facade alone, and needs no package', (t) => {
  const files = listFiles().filter((name) => name.startsWith('cli/'))
  t.true(files.length > 10)
  for (const name of files) {
    for (const [, from = ''] of readText(name).matchAll(
      /(?:\bfrom |\bimport |\bimport\(|\brequire\()'([^']+)'/g,
    )) {
      t.regex(from, /^(node:\w|\.\.?\/(commands\/)?\w+\.ts$|(\.\.\/){1,2}index\.ts$)/, name)
    }
  }
})

test('help names every command, and the help of each every option', (t) => {
  const overall = prints(t, ['--help'])
  t.is(prints(t, ['help']), overall)
  t.is(prints(t, ['-h']), overall)
  for (const command of commands) {
    t.regex(overall, new RegExp(`^  ${command.name} `, 'm'))
    const text = prints(t, [command.name, '--help'])
    t.true(text.startsWith(`${command.summary}\n\nUsage: chronicle ${command.name} `))
    for (const [name, { help }] of Object.entries(command.options)) {
      t.true(text.includes(`--${name}`) && text.includes(help), `${command.name} --${name}`)
    }
    t.true(command.examples.length > 0 && text.includes(command.examples[0]![0]), command.name)
    t.deepEqual(
      text.split('\n').filter((line) => line.length > 120),
      [],
    )
  }
  t.is(prints(t, ['help', 'cat']), prints(t, ['cat', '-h']))
  fails(t, ['help', 'cta'], 2, /there is no command "cta"; did you mean cat\?/)
})

test('the version is that of the package', (t) => {
  const { version } = JSON.parse(readText('package.json')) as { version: string }
  t.is(prints(t, ['--version']), `${version}\n`)
  t.is(prints(t, ['-v']), `${version}\n`)
})

test('a wrong command line is refused by name, with exit code 2', (t) => {
  const refused: [string[], RegExp][] = [
    [[], /a command is missing/],
    [['--json', 'info'], /a command comes before its options, got --json/],
    [['inof', 'x'], /there is no command "inof"; did you mean info\?/],
    [['zzzzzz'], /there is no command "zzzzzz"\n/],
    [['info'], /an argument is missing: chronicle info DIR/],
    [['info', 'a', 'b'], /an argument too many, "b": chronicle info DIR/],
    [['cat', 'x', '--revers'], /cat has no option --revers; did you mean --reverse\?/],
    [['cat', 'x', '-z'], /cat has no option -z\n/],
    [['cat', 'x', '--constructor'], /cat has no option --constructor\n/],
    [['cat', 'x', '--reverse=yes'], /--reverse takes no value, got "yes"/],
    [['cat', 'x', '--from'], /--from must have a value: --from PLACE/],
    [['cat', 'x', '--from', 'middle'], /--from must be a seq, .*, got "middle"/],
    [['cat', 'x', '--from', '-0'], /--from must be a seq/],
    [['cat', 'x', '--from', '9007199254740992'], /--from must be a seq/],
    [['cat', 'x', '--to', '2026-13-01'], /--to must be a seq/],
    [['cat', 'x', '--limit', '-1'], /--limit must be a whole number from 0 to 9007199254740991, got "-1"/],
    [['cat', 'x', '-n', '1.5'], /-n must be a whole number/],
    [['cat', 'x', '--type', '1,65536'], /--type must be a whole number from 0 to 65535, got "65536"/],
    [['cat', 'x', '--format', 'xml'], /--format must be one of text, json, ndjson, hex, raw, got "xml"/],
    [['append', 'x', '--batch', '0'], /--batch must be a whole number from 1 to/],
    [['append', 'x', '--sync', 'often'], /--sync must be none, always or a duration such as 1s, got "often"/],
    [['append', 'x', '--segment-bytes', '5q'], /--segment-bytes must be bytes such as/],
    [['append', 'x', '--segment-bytes', '5k'], /segmentBytes must be a multiple of 4096.*INVALID_ARGUMENT/],
    [['append', 'x', '--wait', '30d'], /--wait must be from 0 to 2147483647 ms/],
    [['prune', 'x', '--keep-time', '7'], /--keep-time must be a duration such as/],
    [['seek', 'x', '--time', 'noon'], /--time must be a time such as/],
    [['completion', 'bsh'], /completion knows bash, zsh, fish, got "bsh"; did you mean bash\?/],
  ]
  const cwd = folder(t)
  for (const [args, says] of refused) {
    const { stdout } = fails(t, args, 2, says, { cwd })
    t.is(stdout, '')
    t.deepEqual(listed(cwd), [])
  }
})

function listed(dir: string): string[] {
  const program = 'process.stdout.write(require("fs").readdirSync(".").join("\\n"))'
  const { stdout } = spawnSync(process.execPath, ['-e', program], { cwd: dir, encoding: 'utf8' })
  return stdout.split('\n').filter((name) => name !== '')
}

test('what stands behind -- is an argument', (t) => {
  const cwd = folder(t)
  prints(t, ['append', '--', '--log'], { cwd, input: 'a\n' })
  t.is(prints(t, ['count', '--', '--log'], { cwd }), '1\n')
})

/** A log of one small segment whose message `bad` is damaged. */
function damaged(dir: string, bad: number): void {
  const log = Chronicle.open(dir, { segmentBytes: 65_536 })
  for (let seq = 0; seq < 10; seq++) log.append('x'.repeat(64))
  log.close()
  // Each record takes 128 bytes; the payload stands behind 64.
  flip(segment(dir), 4096 + bad * 128 + 64)
}

test('a damaged log is read up to the damage, found unsound, repaired and sound again', (t) => {
  const dir = nowhere(t)
  damaged(dir, 6)
  const { stdout } = fails(
    t,
    ['cat', dir, '--format', 'raw'],
    1,
    /ERR_CHRONICLE_CORRUPT[^]*chronicle verify DIR/,
  )
  t.is(stdout, `${'x'.repeat(64)}\n`.repeat(6))

  const found = chronicle(['verify', dir])
  t.deepEqual([found.code, found.stderr], [1, ''])
  t.regex(
    found.stdout,
    /is not sound\n[^]*data: .*\.seg, offset \d+, seq 6\)\n {4}ERR_CHRONICLE_CORRUPT: messages cannot be read\n/,
  )
  const report = JSON.parse(chronicle(['verify', dir, '--json']).stdout) as {
    sound: boolean
    problems: object[]
  }
  t.like(report, { sound: false, messages: 6 })
  t.like(report.problems[0], { severity: 'data', seq: 6 })
  fails(t, ['append', dir], 1, /ERR_CHRONICLE_CORRUPT/, { input: 'y\n' })

  const text = prints(t, ['repair', dir])
  t.regex(text, /is repaired\n {2}lost: seq 6/)
  t.regex(text, /kept: .*quarantine/)
  t.regex(prints(t, ['verify', dir]), /is sound\n {2}6 messages in 1 segment, seq 0 to 5\n/)
  t.is(prints(t, ['repair', dir]), `${dir}: there was nothing to repair\n`)
  t.like(JSON.parse(prints(t, ['repair', dir, '--json'])), { quarantined: [], rebuiltIndexes: 0 })
  prints(t, ['append', dir], { input: 'y\n' })
  t.is(prints(t, ['count', dir]), '7\n')
})

test('a log without its control file is no ground to go on, but for repair', (t) => {
  const dir = nowhere(t)
  const log = Chronicle.open(dir)
  log.append('a')
  log.close()
  rmSync(join(dir, 'control'))
  for (const name of ['cat', 'verify']) fails(t, [name, dir], 1, /ERR_CHRONICLE_CORRUPT[^]*chronicle repair/)
  t.regex(prints(t, ['repair', dir]), /the control file was made again/)
  t.is(prints(t, ['cat', dir, '--format', 'raw']), 'a\n')
})

test('info tells what it can of a damaged log', (t) => {
  const dir = nowhere(t)
  damaged(dir, 0)
  const text = prints(t, ['info', dir])
  t.true(text.includes('messages  10, seq 0 to 9\n'), text)
  t.true(text.includes('first     cannot be read: ERR_CHRONICLE_CORRUPT\n'), text)
})

test('repair is refused while a process writes', (t) => {
  const log = fresh(t)
  log.append('a')
  fails(t, ['repair', log.path], 1, new RegExp(`ERR_CHRONICLE_LOCKED`))
})

test('colours are for terminals, and for who asks for them', (t) => {
  const log = fresh(t)
  log.append('a')
  const coloured = (running: Parameters<typeof chronicle>[1]) =>
    chronicle(['cat', log.path], running).stdout.includes('\u001B[')
  t.false(coloured({}))
  t.true(coloured({ terminal: true }))
  t.false(coloured({ terminal: true, env: { NO_COLOR: '1' } }))
  t.true(coloured({ terminal: true, env: { NO_COLOR: '' } }))
  t.false(coloured({ terminal: true, env: { TERM: 'dumb' } }))
  t.true(coloured({ env: { FORCE_COLOR: '1' } }))
  t.false(coloured({ terminal: true, env: { FORCE_COLOR: '0' } }))
  t.true(chronicle(['cat'], { env: { FORCE_COLOR: '1' } }).stderr.startsWith('\u001B[31mchronicle:'))
})

/** Runs a script in a shell; undefined where there is no such shell. */
function shell(name: string, script: string): string | undefined {
  const { status, stdout, stderr, error } = spawnSync(name, ['-c', script], { encoding: 'utf8' })
  if (error !== undefined) return undefined
  if (status !== 0) throw new Error(stderr)
  return stdout
}

test('bash completes commands, options, values and words', (t) => {
  const script = prints(t, ['completion', 'bash'])
  const complete = (...words: string[]) =>
    shell(
      'bash',
      `${script}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})
      COMP_CWORD=${words.length - 1}; cd /; _chronicle; printf '%s\\n' "\${COMPREPLY[@]}"`,
    )
      ?.split('\n')
      .slice(0, -1)
  if (complete('chronicle', '') === undefined) {
    t.log('there is no bash')
    t.pass()
    return
  }
  const names = commands.map(({ name }) => name)
  t.deepEqual(complete('chronicle', ''), [...names, 'help', '--help', '--version'])
  t.deepEqual(complete('chronicle', 'ver'), ['verify'])
  t.deepEqual(complete('chronicle', 'cat', '--f'), ['--from', '--format'])
  t.deepEqual(complete('chronicle', 'cat', 'log', '--format', 'h'), ['hex'])
  t.deepEqual(complete('chronicle', 'cat', 'log', '--limit', ''), [''])
  t.deepEqual(complete('chronicle', 'readers', 'log', 'rem'), ['remove'])
  t.deepEqual(complete('chronicle', 'completion', 'z'), ['zsh'])
  for (const command of commands) {
    const expected = [...Object.keys(command.options), 'help'].map((name) => `--${name}`)
    t.deepEqual(complete('chronicle', command.name, '--'), expected, command.name)
  }
})

test('the scripts for zsh and fish can be read by their shells, and hold every option', (t) => {
  for (const name of ['zsh', 'fish']) {
    const script = prints(t, ['completion', name])
    const file = join(folder(t), name)
    writeFileSync(file, script)
    const { error, status, stderr } = spawnSync(name, ['-n', file], { encoding: 'utf8' })
    if (error === undefined) t.deepEqual({ status, stderr }, { status: 0, stderr: '' }, name)
    else t.log(`there is no ${name}`)
    for (const command of commands) {
      for (const option of Object.keys(command.options))
        t.true(script.includes(option), `${command.name} ${option}`)
    }
  }
})
