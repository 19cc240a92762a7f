"""Names that every JavaScript program has."""

GLOBALS = frozenset(
    """Array ArrayBuffer AbortController AbortSignal BigInt Blob Boolean Buffer DataView Date Error Event
    EventTarget
    Float32Array Float64Array FormData Function Headers Int16Array Int32Array Int8Array Intl JSON Map Math Number
    Object Promise Proxy RangeError ReferenceError Reflect RegExp Request Response Set SharedArrayBuffer String
    Symbol SyntaxError TextDecoder TextEncoder TypeError URL URLSearchParams Uint16Array Uint32Array Uint8Array
    WeakMap WeakRef WeakSet Worker XMLHttpRequest alert atob btoa cancelAnimationFrame clearImmediate clearInterval
    clearTimeout console decodeURIComponent document encodeURIComponent eval fetch global globalThis isFinite isNaN
    localStorage location navigator parseFloat parseInt performance process queueMicrotask requestAnimationFrame
    require sessionStorage setImmediate setInterval setTimeout structuredClone window""".split()
)
"""Globals of browsers and of node."""

COMMON = frozenset(
    """add apply at bind call catch charAt charCodeAt clear close codePointAt concat copyWithin create delete emit
    end endsWith entries every exec fill filter finally find findIndex flat flatMap forEach from get getTime has
    includes indexOf isArray join keys lastIndexOf localeCompare log map match matchAll next normalize now of open
    padEnd padStart parse pipe pop push read reduce reduceRight reject remove repeat replace replaceAll resolve
    return reverse search send set shift slice some sort splice split startsWith stringify substring test text then
    throw toFixed toISOString toJSON toLocaleString toLowerCase toString toUpperCase trim unshift update valueOf
    values warn write error info""".split()
)
"""Members of the built-in types: a call of one says nothing about a method of that name in the repository."""
