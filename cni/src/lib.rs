//! The CNI plugin: one invocation by a container runtime becomes one request to the node's agent.
//!
//! The plugin holds no state and touches no kernel object. It checks what the runtime gave it (environment, and
//! configuration on standard input), asks the agent over its Unix socket, and answers in the format of the
//! specification's version that the configuration names. Whatever happens, standard output carries exactly one
//! JSON document, or nothing where the specification says so.
//!
//! Invariants:
//! - Nothing is asked of the agent before the whole invocation is valid.
//! - Every failure is one of the specification's error codes, or 100 and above (see [`error::Code`]).
//! - Every call ends within a deadline, so that a hanging agent cannot hang the runtime.
//!
//! Deliberately absent: `CHECK` and `GC`. Both would have to ask the agent what it holds, the contract has no
//! such call yet, and an answer without looking would be a lie; they are refused as unsupported.
//!
//! Reading order: [`spec`] (versions and commands), [`environment`] and [`config`] (what came in), [`request`]
//! (what to ask), [`agent`] (asking), [`result`] and [`error`] (what goes out).

pub mod agent;
pub mod config;
pub mod environment;
pub mod error;
pub mod grpc;
pub mod request;
pub mod result;
pub mod spec;

use std::ffi::OsString;
use std::io::Read;

use crate::config::Config;
use crate::environment::Attachment;
use crate::error::{Code, Error};
use crate::spec::{Command, SpecVersion};

/// Most bytes of configuration that are read. Runtimes send a few kilobytes.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// What the runtime gets: standard output, and whether the exit status is 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The whole of standard output; empty where the specification wants nothing.
    pub stdout: String,
    /// Exit status 0 if true, else 1.
    pub success: bool,
}

/// Serves one invocation. `variable` looks up an environment variable; `stdin` is the configuration.
pub fn serve(variable: &dyn Fn(&str) -> Option<OsString>, stdin: &mut dyn Read) -> Answer {
    // Known once the configuration is read: errors answer in the version that was asked for, if it is one of ours.
    let mut version = SpecVersion::LATEST;
    match answer(variable, stdin, &mut version) {
        Ok(stdout) => Answer { stdout, success: true },
        Err(error) => Answer { stdout: error.encode(version), success: false },
    }
}

fn answer(
    variable: &dyn Fn(&str) -> Option<OsString>,
    stdin: &mut dyn Read,
    version: &mut SpecVersion,
) -> Result<String, Error> {
    let command = environment::decode_command(variable)?;
    let text = read_config(stdin)?;
    if command == Command::Version {
        *version = config::decode_version_for_reply(&text)?;
        return Ok(result::encode_versions(*version));
    }
    let document = config::decode_document(&text)?;
    *version = config::decode_version(&document)?;
    if *version < command.since() {
        return Err(Error::new(
            Code::IncompatibleVersion,
            format!(
                "CNI_COMMAND={} needs cniVersion {} or later, the configuration says {}",
                command.name(),
                command.since().name(),
                version.name()
            ),
        ));
    }
    match command {
        Command::Add => {
            let attachment = environment::decode_add(variable)?;
            let config = Config::decode(document)?;
            environment::check_netns(&attachment.netns)?;
            add(*version, &attachment, config)
        }
        Command::Del => {
            let attachment = environment::decode_del(variable)?;
            let config = Config::decode(document)?;
            let request = request::plan_del(&attachment, &config);
            agent::del(&config.socket, request).map_err(|failure| grpc::explain(&config.socket, failure))?;
            Ok(String::new())
        }
        Command::Status => {
            let config = Config::decode(document)?;
            agent::status(&config.socket)
                .map_err(|failure| grpc::explain_status(&config.socket, failure))
                .and_then(|status| result::judge_status(&status))
        }
        Command::Check | Command::Gc => Err(unsupported(command)),
        Command::Version => Ok(result::encode_versions(*version)),
    }
}

fn add(version: SpecVersion, attachment: &Attachment, config: Config) -> Result<String, Error> {
    let request = request::plan_add(attachment, &config);
    let response =
        agent::add(&config.socket, request).map_err(|failure| grpc::explain(&config.socket, failure))?;
    result::encode_add(version, attachment, config, response)
}

fn unsupported(command: Command) -> Error {
    Error::new(Code::InvalidEnvironment, format!("CNI_COMMAND={} is not supported", command.name()))
        .with_details("supported are ADD, DEL, STATUS and VERSION".to_owned())
}

fn read_config(stdin: &mut dyn Read) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    stdin.take(CONFIG_BYTES_MAX + 1).read_to_end(&mut text).map_err(|error| {
        Error::new(Code::Io, format!("cannot read the configuration from stdin: {error}"))
    })?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        return Err(Error::new(
            Code::InvalidConfig,
            format!("the configuration is longer than {CONFIG_BYTES_MAX} bytes"),
        ));
    }
    Ok(text)
}
