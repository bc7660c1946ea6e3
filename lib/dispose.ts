/**
 * Node.js 20.0 to 20.3 lacks these symbols. They must be there before any class names a method by them, or that method is called
 * "undefined". Defined as later releases do, so that whoever looks for them finds the same ones.
 */
for (const name of ['dispose', 'asyncDispose'] as const) {
  if (name in Symbol) continue
  Object.defineProperty(Symbol, name, { value: Symbol(`Symbol.${name}`) })
}
