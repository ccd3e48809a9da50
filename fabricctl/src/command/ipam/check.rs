//! `ipam check`.

use std::path::Path;

use proto::v1::check_response::Step;
use proto::v1::{CheckProgress, CheckRequest};

use crate::agent::Agent;
use crate::cli::ipam::CheckArgs;
use crate::failure::Failure;
use crate::file::Draft;
use crate::output::Output;
use crate::output::progress::Progress;
use crate::report::Report;
use crate::view::check::CheckView;

/// What to do with the report.
pub(crate) struct Plan {
    show_all: bool,
    file: Option<Draft>,
}

/// Begins the report's file, so that a place where none can be written is told before a long check, not after it.
pub(crate) fn plan(args: CheckArgs) -> Result<Plan, Failure> {
    let CheckArgs { show_all, report } = args;
    let file = match report {
        None => None,
        Some(path) if path == Path::new("-") => {
            let advice = "--report wants a file: `-o json` writes the report to standard output";
            return Err(Failure::Usage(advice.to_owned()));
        }
        // An older report is of no use to anybody.
        Some(path) => Some(Draft::create(&path, true)?),
    };
    Ok(Plan { show_all, file })
}

/// Checks, writes the report and prints it. Problems are a failure.
pub(crate) async fn check(agent: &Agent, output: &Output, plan: Plan) -> Result<(), Failure> {
    let report = ask(agent).await?;
    let written = match plan.file {
        None => Ok(()),
        Some(file) => write(file, &report),
    };
    output.print(&CheckView::new(&report, plan.show_all))?;
    written?;
    if report.problems.is_empty() { Ok(()) } else { Err(Failure::Problems) }
}

fn write(mut file: Draft, report: &Report) -> Result<(), Failure> {
    file.write(&report.encode().map_err(Failure::Failed)?)?;
    file.commit()
}

/// The report that ends the stream. Each step towards it may take as long as the user wants to wait.
async fn ask(agent: &Agent) -> Result<Report, Failure> {
    let mut stream = agent.ask(agent.ipam().check(CheckRequest {})).await?;
    let mut progress = Progress::new();
    while let Some(answer) = agent.next(&mut stream, false).await? {
        match answer.step {
            Some(Step::Progress(CheckProgress { stage, done, total })) => {
                progress.show(&format!("Checking {stage}"), done, total);
            }
            Some(Step::Report(report)) => return Ok(Report::from(report)),
            // Of a newer agent.
            None => {}
        }
    }
    Err(Failure::Failed("the agent ended its check without a report; its log says more".to_owned()))
}
