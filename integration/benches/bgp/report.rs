//! What came out: medians, ratios, goals; for people and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use integration::measure::{duration, median};
use serde_json::{Value, json};

use crate::workload::{Row, Sample, Sizes, WAVES};

/// What one row's samples say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Time,
    Cpu,
    Memory,
}

/// What ours is to reach.
#[derive(Debug, Clone, Copy)]
struct Goal {
    row: Row,
    measure: Measure,
    /// Of whom (and in which row; stuck clients are compared with ourselves).
    against: (&'static str, Row),
    /// At most so many times that.
    factor: f64,
}

const fn goal(row: Row, measure: Measure, device: &'static str, factor: f64) -> Goal {
    Goal { row, measure, against: (device, row), factor }
}

const GOALS: [Goal; 12] = [
    goal(Row::FullTable, Measure::Time, "BIRD", 0.7),
    goal(Row::FullTable, Measure::Cpu, "BIRD", 0.7),
    goal(Row::FullTable, Measure::Memory, "BIRD", 1.0),
    goal(Row::Withdrawn, Measure::Time, "BIRD", 0.8),
    goal(Row::AnnouncedAgain, Measure::Time, "BIRD", 0.8),
    goal(Row::LateJoiner, Measure::Time, "BIRD", 0.25),
    goal(Row::AllHaveAll, Measure::Time, "FRR", 1.0),
    goal(Row::AllHaveAll, Measure::Memory, "BIRD", 2.0),
    goal(Row::OneChange, Measure::Time, "BIRD", 1.0),
    goal(Row::ColdStart, Measure::Time, "FRR", 0.5),
    goal(Row::FanOut, Measure::Time, "FRR", 1.0),
    // "Costs the others nothing", but for what two runs differ by themselves.
    Goal { row: Row::OneStuck, measure: Measure::Time, against: ("ours", Row::NoneStuck), factor: 1.1 },
];

/// Medians of one device's samples of a row.
#[derive(Debug, Clone, Copy)]
struct Figures {
    seconds: f64,
    cpu_secs: f64,
    peak_mb: f64,
}

impl Figures {
    fn of(samples: &[Sample]) -> Option<Self> {
        Some(Self {
            seconds: median(samples.iter().map(|sample| sample.seconds))?,
            cpu_secs: median(samples.iter().map(|sample| sample.cpu_secs))?,
            peak_mb: median(samples.iter().map(|sample| sample.peak_mb))?,
        })
    }

    fn get(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Time => self.seconds,
            Measure::Cpu => self.cpu_secs,
            Measure::Memory => self.peak_mb,
        }
    }
}

/// All that was measured.
#[derive(Debug)]
pub struct Report {
    sizes: Sizes,
    /// Name, version, notes; in the order of the columns.
    devices: Vec<(&'static str, String, &'static [&'static str])>,
    samples: BTreeMap<(Row, &'static str), Vec<Sample>>,
    failures: Vec<String>,
}

impl Report {
    /// An empty one.
    pub fn new(sizes: Sizes) -> Self {
        Self { sizes, devices: Vec::new(), samples: BTreeMap::new(), failures: Vec::new() }
    }

    /// Tells of a device.
    pub fn add_device(&mut self, name: &'static str, version: String, notes: &'static [&'static str]) {
        self.devices.push((name, version, notes));
    }

    /// Takes samples in.
    pub fn add(&mut self, device: &'static str, samples: Vec<Sample>) {
        for sample in samples {
            self.samples.entry((sample.row, device)).or_default().push(sample);
        }
    }

    /// Takes in that a device did not get through some work.
    pub fn add_failure(&mut self, failure: String) {
        self.failures.push(failure);
    }

    fn figures(&self, row: Row, device: &str) -> Option<Figures> {
        self.samples.iter().find(|((r, d), _)| *r == row && *d == device).and_then(|(_, s)| Figures::of(s))
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.samples.keys().map(|(row, _)| *row).collect();
        rows.dedup();
        rows
    }

    /// The goals for which there are figures, with the ratio reached.
    fn outcomes(&self) -> impl Iterator<Item = (Goal, f64)> {
        GOALS.into_iter().filter_map(|goal| {
            let ours = self.figures(goal.row, "ours")?.get(goal.measure);
            let (device, row) = goal.against;
            Some((goal, ours / self.figures(row, device)?.get(goal.measure)))
        })
    }

    /// Whether nothing failed, and every goal with figures is reached.
    pub fn is_good(&self) -> bool {
        self.failures.is_empty() && self.outcomes().all(|(goal, ratio)| ratio <= goal.factor)
    }

    /// For a terminal.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (name, version, notes) in &self.devices {
            let _ = writeln!(text, "{name}: {version}");
            notes.iter().for_each(|note| _ = writeln!(text, "    {note}"));
        }
        for row in self.rows() {
            let _ = writeln!(text, "\n{}", self.title(row));
            let _ = writeln!(
                text,
                "    {:6} {:>11} {:>11} {:>9}    ours is … times that",
                "", "time", "CPU", "memory"
            );
            let ours = self.figures(row, "ours");
            for (name, _, _) in &self.devices {
                let Some(figures) = self.figures(row, name) else { continue };
                let _ = write!(
                    text,
                    "    {name:6} {:>11} {:>11} {:>6.0} MB",
                    duration(figures.seconds),
                    duration(figures.cpu_secs),
                    figures.peak_mb
                );
                if let Some(ours) = ours.filter(|_| *name != "ours") {
                    let ratio = |measure| ours.get(measure) / figures.get(measure);
                    let _ = write!(
                        text,
                        "    time {:.2}, CPU {:.2}, memory {:.2}",
                        ratio(Measure::Time),
                        ratio(Measure::Cpu),
                        ratio(Measure::Memory)
                    );
                }
                let remark =
                    self.samples.get(&(row, *name)).and_then(|samples| samples.last()?.remark.clone());
                let _ =
                    writeln!(text, "{}", remark.map_or(String::new(), |remark| format!("    ({remark})")));
            }
            for (goal, ratio) in self.outcomes().filter(|(goal, _)| goal.row == row) {
                let verdict = if ratio <= goal.factor { "reached" } else { "MISSED" };
                let _ = writeln!(text, "    goal: {}: {ratio:.2}, {verdict}", describe(&goal));
            }
        }
        for failure in &self.failures {
            let _ = writeln!(text, "\nFAILED: {failure}");
        }
        text
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let sample = |sample: &Sample| {
            json!({
                "seconds": sample.seconds, "cpu_secs": sample.cpu_secs, "peak_mb": sample.peak_mb,
                "remark": sample.remark,
            })
        };
        let rows: Vec<Value> = self
            .samples
            .iter()
            .map(|((row, device), samples)| {
                let median = Figures::of(samples).map(|figures| {
                    json!({
                        "seconds": figures.seconds, "cpu_secs": figures.cpu_secs, "peak_mb": figures.peak_mb,
                    })
                });
                json!({
                    "row": format!("{row:?}"), "work": self.title(*row), "device": device, "median": median,
                    "samples": samples.iter().map(sample).collect::<Vec<_>>(),
                })
            })
            .collect();
        let goals: Vec<Value> = self
            .outcomes()
            .map(|(goal, ratio)| {
                json!({
                    "row": format!("{:?}", goal.row), "goal": describe(&goal), "ratio": ratio,
                    "at_most": goal.factor, "reached": ratio <= goal.factor,
                })
            })
            .collect();
        let devices: Vec<Value> = self
            .devices
            .iter()
            .map(|(name, version, notes)| json!({ "name": name, "version": version, "notes": notes }))
            .collect();
        json!({ "devices": devices, "rows": rows, "goals": goals, "failures": self.failures })
    }

    fn title(&self, row: Row) -> String {
        let Sizes { prefixes, sets, clients, prefixes_each, fan_prefixes, fan_clients } = self.sizes;
        match row {
            Row::FullTable => {
                format!("{prefixes} prefixes, {sets} attribute sets, one sender → one receiver")
            }
            Row::Withdrawn => "the same withdrawn".into(),
            Row::AnnouncedAgain => "the same announced again".into(),
            Row::LateJoiner => format!("late joiner gets {prefixes}, from its first SYN on"),
            Row::AllHaveAll => {
                format!("{clients} route-reflector clients × {prefixes_each} prefixes, till all have all")
            }
            Row::OneChange => format!("one client's change seen by the other {}", clients - 1),
            Row::ColdStart => format!("{clients} sessions up from cold, all dialling at once"),
            Row::FanOut => format!("one sender's {fan_prefixes} prefixes to {fan_clients} clients"),
            Row::NoneStuck => {
                format!("one sender's {fan_prefixes} prefixes to {} clients, {WAVES} times", clients - 2)
            }
            Row::OneStuck => format!("the same while 1 of {clients} reads nothing"),
        }
    }
}

fn describe(goal: &Goal) -> String {
    let measure = match goal.measure {
        Measure::Time => "time",
        Measure::Cpu => "CPU",
        Measure::Memory => "memory",
    };
    let whose = if goal.row == goal.against.1 { goal.against.0 } else { "without" };
    format!("{measure} at most {} × {whose}", goal.factor)
}
