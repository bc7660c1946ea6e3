/** What the writers of a run append: known to everybody from seed, life and seq alone. */

/** A number below 2^32 that looks random. */
function mix(...parts) {
  let state = 0x9e3779b9
  for (const part of parts) {
    state = Math.imul(state ^ part, 0x85ebca6b)
    state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35) ^ (state >>> 16)
  }
  return state >>> 0
}

/** The call that the writer of a life makes when the next seq is `first`: lives differ in what they like. */
export function callOf(seed, life, first) {
  const chance = mix(seed, life, first, 1) % 100
  const size = 2 + (mix(seed, life, first, 2) % 40)
  const likesBatches = life % 3 === 1
  if (chance < (likesBatches ? 80 : 5)) return { kind: 'batch', size }
  if (chance < (life % 3 === 2 ? 50 : 82)) return { kind: 'claim', size: 1 }
  return { kind: chance < 91 ? 'bytes' : 'text', size: 1 }
}

/** The payload of a message, in ASCII: it names the life that wrote it, so that a record of another one is told from it. */
export function textOf(seed, life, seq) {
  const chance = mix(seed, life, seq, 3) % 2000
  const long = life % 3 === 1 ? 800 : 60
  const length = mix(seed, life, seq, 4) % (chance === 0 ? 90_000 : chance < long ? 6000 : 300)
  const pattern = mix(seed, life, seq, 5).toString(36)
  return `${life}:${seq}:${pattern.repeat(Math.ceil(length / pattern.length))}`
}

export function typeOf(seed, life, seq) {
  return mix(seed, life, seq, 6) % 65_536
}
