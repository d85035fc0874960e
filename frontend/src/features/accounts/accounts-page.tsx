export default function Page() {
  return <h1>accounts</h1>;
}
