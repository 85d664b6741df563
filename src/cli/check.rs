//! `endpoints check`: what is wrong with OpenAPI documents and EndpointsServices, before a cluster
//! sees them.
//!
//! ```text
//! PATH… ──files──► bytes ──manifest──► services ──policy::compile──► findings, policies
//!                                                      └─► text | json | sarif | github, exit code
//! ```
//!
//! With `--cluster`, what a cluster holds: [`cluster`].

mod cluster;
mod explain;
mod file;
mod files;
mod github;
mod json;
mod routes;
mod sarif;
mod stream;
mod text;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use self::file::Checked;
use crate::cli::report::{self, Tally};

/// Could not read what was named, as for wrong arguments.
const UNREAD: u8 = 2;

/// What `--help` ends with.
const EXAMPLES: &str = "\
Examples:
  endpoints check openapi.yaml                 one document
  endpoints check deploy/                      all of a folder, manifests too
  kubectl get eps -A -o yaml | endpoints check -
  endpoints check --routes openapi.yaml        who may call what
  endpoints check --deny-warnings --format github .
  endpoints check --explain shadowed-route     more about a finding
  endpoints check --cluster -n shop            what keeps requests from passing sidecars

PATH may hold OpenAPI documents (YAML or JSON) and Kubernetes manifests; of those, EndpointsServices
are checked and other kinds passed over. In a folder, *.yaml, *.yml and *.json count, but not what
lies in hidden folders and node_modules.

Exit code: 0 nothing wrong, 1 errors (or warnings with --deny-warnings), 2 could not read a PATH, or
wrong arguments.";

/// Arguments of `endpoints check`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Files and folders; `-` is standard input
    #[arg(required_unless_present_any = ["explain", "cluster"], value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Print the table of operations: who may call, CORS, backend, deadline
    #[arg(long)]
    routes: bool,
    /// How to print: for people, or for which machine
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Exit with 1 for warnings, too
    #[arg(long)]
    deny_warnings: bool,
    /// Say more about a finding, by the name in its brackets, and check nothing
    #[arg(long, value_name = "NAME", conflicts_with_all = ["paths", "routes", "format", "deny_warnings"])]
    explain: Option<String>,
    /// Whether to print with colours; auto follows the terminal and NO_COLOR
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = When::Auto)]
    color: When,
    #[command(flatten)]
    cluster: cluster::ClusterArgs,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text, each finding with its line
    Human,
    /// One JSON document (docs/check.md says what is in it)
    Json,
    /// SARIF 2.1.0, as code scanning tools read it
    Sarif,
    /// Workflow commands that GitHub Actions turns into annotations
    Github,
}

/// Whether output has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    /// If it is for a terminal
    Auto,
    /// Yes
    Always,
    /// No
    Never,
}

/// What a run came to.
#[derive(Debug, Default)]
struct Run {
    /// What was read, in the order of the arguments, folders by name.
    checked: Vec<Checked>,
    /// What was not, each with why.
    unread: Vec<Unread>,
    /// How many services were found.
    services: usize,
    /// What was looked at instead of files.
    cluster: Option<cluster::Scope>,
    /// Manifests that would close what was found.
    suggestions: Vec<cluster::Suggestion>,
}

/// A path that could not be read.
#[derive(Debug)]
struct Unread {
    path: String,
    why: String,
}

/// Checks the paths.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(name) = &args.explain {
        return Ok(explain(name));
    }
    if args.routes && matches!(args.format, Format::Sarif | Format::Github) {
        return Ok(wrong(
            "--routes prints text or JSON: leave out --format, or say --format json",
        ));
    }
    let run = match args.cluster.cluster {
        true => match cluster::run(&args.cluster) {
            Ok(run) => run,
            Err(error) => return Ok(wrong(&report::one_line(&format!("{error:#}")))),
        },
        false => of_files(args),
    };
    let tally = run.tally();
    print(args, &run)?;
    Ok(match (run.unread.is_empty(), tally) {
        (false, _) => ExitCode::from(UNREAD),
        (true, Tally { errors: 1.., .. }) => ExitCode::FAILURE,
        (true, Tally { warnings: 1.., .. }) if args.deny_warnings => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

fn of_files(args: &Args) -> Run {
    let files::Found { files, mut unread } = files::find(&args.paths);
    let mut run = Run::default();
    for result in file::check_all(&files, args.routes) {
        match result {
            Ok(checked) => run.checked.extend(checked),
            Err(failed) => unread.push(failed),
        }
    }
    run.unread = unread;
    run.services = run
        .checked
        .iter()
        .map(|checked| checked.services.len())
        .sum();
    run
}

/// Prints the section of a finding.
fn explain(name: &str) -> ExitCode {
    let Some(section) = explain::section(name) else {
        let names: Vec<_> = explain::names().collect();
        return wrong(&format!(
            "there is no finding `{}`: there are {}",
            report::one_line(name),
            names.join(", ")
        ));
    };
    // Nobody reads a closed pipe.
    let _ = writeln!(std::io::stdout().lock(), "{section}");
    ExitCode::SUCCESS
}

/// Arguments that do not fit together.
fn wrong(message: &str) -> ExitCode {
    // Nothing is left to report to when stderr is gone.
    let _ = writeln!(std::io::stderr().lock(), "endpoints: {message}");
    ExitCode::from(UNREAD)
}

impl Run {
    fn tally(&self) -> Tally {
        Tally::of(self.checked.iter().flat_map(|checked| &checked.findings))
    }

    /// How many Kubernetes objects of other kinds were passed over.
    fn others(&self) -> usize {
        self.checked.iter().map(|checked| checked.others).sum()
    }
}

/// Findings (or the table) go to stdout, and what is for people beside them to stderr.
fn print(args: &Args, run: &Run) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    let mut stderr = std::io::stderr().lock();
    let color = |auto: bool| match args.color {
        When::Auto => auto,
        When::Always => true,
        When::Never => false,
    };
    let for_stdout = color(report::wants_color(&stdout));
    let for_stderr = color(report::wants_color(&stderr));
    let summary = text::summary(run);
    let (output, news) = match args.format {
        Format::Human if args.routes => (
            routes::tables(run, for_stdout),
            text::findings(run, for_stderr) + &summary,
        ),
        Format::Human => (
            text::findings(run, for_stdout) + &text::suggestions(run) + &summary + &text::more(run),
            String::new(),
        ),
        Format::Json => (json::document(run, args.routes)?, summary),
        Format::Sarif => (sarif::log(run)?, summary),
        Format::Github => (github::commands(run), summary),
    };
    // Nobody reads a closed terminal or pipe: the exit code still says how it went.
    let _ = stdout
        .write_all(output.as_bytes())
        .and_then(|()| stdout.flush());
    let _ = stderr.write_all((text::unread(run) + &news).as_bytes());
    Ok(())
}
