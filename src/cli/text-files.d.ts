/** Files that are embedded as they are, with `{ type: "text" }`. */
declare module "*.service" {
  const text: string;
  export default text;
}
declare module "*.plist" {
  const text: string;
  export default text;
}
