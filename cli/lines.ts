/** Splits bytes at each line feed, which is not part of the line; what stands behind the last one is a line too. */
export async function* lines(input: AsyncIterable<Buffer>): AsyncGenerator<Buffer[], void> {
  let begun: Buffer[] = []
  for await (const chunk of input) {
    const whole: Buffer[] = []
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const line = chunk.subarray(start, end)
      whole.push(begun.length === 0 ? line : Buffer.concat([...begun, line]))
      begun = []
      start = end + 1
    }
    if (start < chunk.length) begun.push(chunk.subarray(start))
    if (whole.length > 0) yield whole
  }
  if (begun.length > 0) yield [Buffer.concat(begun)]
}
