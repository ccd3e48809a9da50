//! What a word that nobody knows was probably meant to be.

/// The candidate that is near `word`, if one is: of every three letters one may be wrong.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.into_iter().map(|candidate| {
        (strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase()), candidate)
    });
    let limit = (word.chars().count() / 3).max(1);
    scored
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// What would be right: `did you mean "…"?`, or all that there is after an introduction such as "known are".
#[must_use]
pub fn correction(word: &str, known: &[&str], introduction: &str) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("{introduction} {}", known.join(", ")),
    }
}
