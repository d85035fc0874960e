/** The simulated upstream in a process of its own, answering the same pre-encoded reply to everybody. */
import { runSimulator } from "../src/simulator/cli.ts";

process.exit(await runSimulator(process.argv.slice(2)));
