//! Validators of other projects' formats, in the Python environment that `scripts/test` creates for them.

use serde_json::Value;
use tokio::process::Command;

use super::pravega::variable;
use super::process::{Finished, run};

const YAML_TO_JSON: &str = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)";

const PARSE_PROMQL: &str = "
import json, sys, promql_parser
for expr in json.load(sys.stdin):
    try:
        promql_parser.parse(expr)
    except ValueError as error:
        print(f'{expr}: {error}')
";

/// Runs that Python with this standard input.
async fn python(arguments: &[&str], stdin: impl AsRef<[u8]>) -> Finished {
    run(Command::new(variable("TEST_CHECKS_PYTHON")).args(arguments), stdin).await
}

/// Runs kubernetes-validate on a file, in strict mode.
pub(crate) async fn kubernetes(path: &str) -> Finished {
    python(&["-m", "kubernetes_validate", "--strict", path], "").await
}

/// A YAML document as JSON.
pub(crate) async fn yaml(text: &str) -> Value {
    serde_json::from_slice(&python(&["-c", YAML_TO_JSON], text).await.success()).expect("JSON")
}

/// The error of each query that is invalid.
pub(crate) async fn promql(queries: &[String]) -> Vec<String> {
    let queries = serde_json::to_string(queries).expect("text");
    python(&["-c", PARSE_PROMQL], queries).await.lines()
}
