/** The first releases of Node.js 20 have no Symbol.dispose. It must be there before any class names a method by it. */
if ((Symbol as { dispose?: symbol }).dispose === undefined) {
  Object.defineProperty(Symbol, 'dispose', { value: Symbol('Symbol.dispose') })
}
