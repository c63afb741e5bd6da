import koffi from 'koffi';

/** A handle or a 64-bit number, a 32-bit number, a buffer that the library reads or writes, or no buffer. */
export type RawArgument = bigint | number | Buffer | null;

/** NVML as it is: functions by name, raw buffers, codes. For tests of what a client has to cope with. */
export interface RawNvml {
  /**
   * Calls a function with arguments as they are.
   *
   * @returns its nvmlReturn_t
   * @throws Error where the library does not have it
   */
  call(name: string, ...args: readonly RawArgument[]): number;
  /** The same in a thread of its own, for calls that block. */
  callInBackground(name: string, ...args: readonly RawArgument[]): Promise<number>;
  /** The value that a function with one 4-byte result writes behind its other arguments. */
  readUint(name: string, ...args: readonly RawArgument[]): number | { readonly error: number };
  /** The same with an 8-byte result. */
  readUlong(name: string, ...args: readonly RawArgument[]): bigint | { readonly error: number };
  /** The text that a function writes into a buffer behind its other arguments. */
  readText(name: string, ...args: readonly RawArgument[]): string | { readonly error: number };
  /** What nvmlErrorString has to say of a code. */
  errorString(code: number): string;
  /** A handle that a function with one handle as result writes behind its other arguments. */
  handle(name: string, ...args: readonly RawArgument[]): bigint;
}

/** Loads a library in this process. The same file is loaded once only, with one state for all. */
export function loadRawNvml(file: string): RawNvml {
  const library = koffi.load(file);
  const functions = new Map<string, ReturnType<typeof library.func>>();
  const errorString = library.func('nvmlErrorString', 'const char *', ['int']);

  function find(name: string, args: readonly RawArgument[]) {
    const types = args.map(typeOf);
    const key = [name, ...types].join(' ');
    const known = functions.get(key) ?? library.func(name, 'int', types);
    functions.set(key, known);
    return known;
  }

  function call(name: string, ...args: readonly RawArgument[]): number {
    return Number(find(name, args)(...args));
  }

  function read<Value>(
    name: string,
    args: readonly RawArgument[],
    size: number,
    value: (result: Buffer) => Value,
  ): Value | { readonly error: number } {
    const result = Buffer.alloc(size);
    const code = call(name, ...args, result);
    return code === 0 ? value(result) : { error: code };
  }

  return {
    call,
    async callInBackground(name, ...args) {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      find(name, args).async(...args, (error: unknown, code: unknown) => {
        if (error instanceof Error) reject(error);
        else resolve(Number(code));
      });
      return await promise;
    },
    readUint: (name, ...args) => read(name, args, 4, (result) => result.readUInt32LE(0)),
    readUlong: (name, ...args) => read(name, args, 8, (result) => result.readBigUInt64LE(0)),
    readText(name, ...args) {
      const text = Buffer.alloc(96);
      const code = call(name, ...args, text, text.length);
      return code === 0 ? text.toString('utf8', 0, text.indexOf(0)) : { error: code };
    },
    errorString: (code) => String(errorString(code)),
    handle(name, ...args) {
      const handle = read(name, args, 8, (result) => result.readBigUInt64LE(0));
      if (typeof handle !== 'bigint') throw new Error(`${name} answers ${handle.error}`);
      return handle;
    },
  };
}

function typeOf(argument: RawArgument): string {
  if (typeof argument === 'bigint') return 'uint64';
  return typeof argument === 'number' ? 'uint32' : 'void *';
}
