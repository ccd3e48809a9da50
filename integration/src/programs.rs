//! Where the programs are: ours beside the one that runs, the foreign ones where Debian and Ubuntu put them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// One of this workspace's own programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The node agent.
    Agent,
    /// The operator's command line.
    Ctl,
    /// The CNI plugin.
    Cni,
    /// The lab's probe.
    Probe,
}

impl Program {
    /// Its file's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "felix-agent",
            Self::Ctl => "fabricctl",
            Self::Cni => "fabric-cni",
            Self::Probe => "fabric-probe",
        }
    }

    /// The environment variable that says where it is instead.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::Agent => "FELIX_AGENT",
            Self::Ctl => "FABRICCTL",
            Self::Cni => "FABRIC_CNI",
            Self::Probe => "FABRIC_PROBE",
        }
    }

    /// Finds it: where its variable says, else beside the running program, or one directory up (tests run from
    /// `deps/`).
    ///
    /// # Errors
    /// When it is in neither place, saying how to build it.
    pub fn find(self) -> Result<PathBuf> {
        if let Some(path) = std::env::var_os(self.variable()) {
            return existing(PathBuf::from(path))
                .with_context(|| format!("{} points to it", self.variable()));
        }
        let here = std::env::current_exe().context("finding the running program")?;
        here.ancestors().skip(1).take(2).map(|directory| directory.join(self.name())).find(|path| path.is_file()).with_context(
            || {
                format!(
                    "no {} beside {}: build it (`cargo build --workspace --bins`), or say where it is with {}",
                    self.name(),
                    here.display(),
                    self.variable()
                )
            },
        )
    }
}

/// A program of a Debian package.
///
/// # Errors
/// When it is not there, naming the package to install.
pub fn packaged(path: &str, package: &str) -> Result<PathBuf> {
    existing(PathBuf::from(path)).with_context(|| format!("install it: apt-get install {package}"))
}

fn existing(path: PathBuf) -> Result<PathBuf> {
    if !Path::new(&path).is_file() {
        bail!("there is no {}", path.display());
    }
    Ok(path)
}
