/** Stands in for react-inlinesvg, which would fetch each icon from a server that no test has. */
export default function InlineSvg() {
  return <svg aria-hidden />;
}
