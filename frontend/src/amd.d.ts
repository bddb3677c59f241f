/** The module object that the AMD loader hands out, and the bundler's public path. */
declare module 'amd-module' {
  const module: { uri?: string } | undefined;
  export default module;
}

declare let __webpack_public_path__: string;
