//! `make demo`: the main job, shown to a person and checked while it is shown.
//!
//! A [`stage`] prints what is done and keeps the [`summary`]; the [`steps`] act on a [`scene`], a fabric with pods, in
//! order. A claim that does not hold is a line of the summary that says so, and the demo goes on where it can; a step
//! that cannot go on ends the demo. The exit status is that of the summary.

use std::time::Instant;

use anyhow::Result;

use crate::lab::Lab;

pub mod interrupt;
pub mod scene;
pub mod stage;
pub mod steps;
pub mod summary;

use interrupt::Interrupt;
use scene::Scene;
use stage::Stage;

/// Runs the whole demo and returns whether every claim held. `keep` leaves the fabric up.
///
/// # Errors
/// When no lab can be made, or it cannot be left or removed as wanted.
pub fn run(keep: bool) -> Result<bool> {
    let began = Instant::now();
    let lab = Lab::new("demo")?;
    let mut stage = Stage::new(Interrupt::watch(lab.closer())?);
    let scene = play(lab, &mut stage);
    stage.show_summary(began.elapsed());
    match scene {
        Some(scene) if keep => {
            stage.show_how_to_look_around(&scene);
            scene.keep()?;
        }
        // Taken down here, after the summary was read.
        Some(scene) => drop(scene),
        None => {}
    }
    Ok(stage.summary().holds())
}

/// A step that cannot be gone through is a claim that does not hold, and the last one.
fn play(lab: Lab, stage: &mut Stage) -> Option<Scene> {
    stage.begin(1, steps::fabric::TITLE);
    let mut scene = match steps::fabric::play(lab, stage) {
        Ok(fabric) => Scene::new(fabric),
        Err(error) => {
            stage.check("the fabric comes up", Err(error));
            return None;
        }
    };
    for (number, step) in (2..).zip(steps::AFTER_FABRIC) {
        stage.begin(number, step.title);
        if let Err(error) = (step.play)(&mut scene, stage) {
            stage.check(&format!("step {number} can be gone through"), Err(error));
            break;
        }
    }
    Some(scene)
}

/// Takes down what `keep` left up; returns the names of the labs that were.
///
/// # Errors
/// When something cannot be removed.
pub fn take_down() -> Result<Vec<String>> {
    let mut removed = Lab::remove_kept()?;
    removed.extend(Lab::sweep_stale()?);
    Ok(removed)
}
