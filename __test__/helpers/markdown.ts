/** A fenced block of a Markdown file. */
export interface CodeBlock {
  /** The words behind the opening fence: the language first. */
  readonly info: readonly string[]
  readonly code: string
  /** The line of the opening fence, counted from 1. */
  readonly line: number
}

const FENCED = /^```([^\n]*)\n([\s\S]*?)^```[ \t]*$/gm

export function codeBlocks(markdown: string): CodeBlock[] {
  return [...markdown.matchAll(FENCED)].map((match) => ({
    info: (match[1] ?? '').trim().split(/\s+/),
    code: match[2] ?? '',
    line: markdown.slice(0, match.index).split('\n').length,
  }))
}

/** The blocks whose fence says `run`, as in "```ts run". */
export function runnableBlocks(markdown: string): CodeBlock[] {
  return codeBlocks(markdown).filter(
    ({ info }) => ['ts', 'js'].includes(info[0] ?? '') && info.includes('run'),
  )
}

/** The text outside of code. */
export function prose(markdown: string): string {
  return markdown.replace(FENCED, '').replace(/`[^`\n]*`/g, '')
}

/** The targets of links and images: `path`, `path#anchor`, `#anchor` or an address. */
export function links(markdown: string): string[] {
  return [...prose(markdown).matchAll(/\]\(\s*<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]:\s*(\S+)/gm)].map(
    (match) => match[1] ?? match[2] ?? '',
  )
}

/** The anchors that GitHub gives to the headings. */
export function anchors(markdown: string): Set<string> {
  const seen = new Map<string, number>()
  const headings = markdown.replace(FENCED, '').matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)
  return new Set(
    [...headings].map((match) => {
      const text = (match[1] ?? '').replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
      const slug = text.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-')
      const count = seen.get(slug) ?? 0
      seen.set(slug, count + 1)
      return count === 0 ? slug : `${slug}-${count}`
    }),
  )
}
