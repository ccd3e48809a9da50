//! Ages and amounts, as short as people want them.

/// Cells of a usage bar.
const BAR_CELLS: usize = 10;

/// An age in kubectl's manner: two units while the second one matters, then one.
pub(crate) fn render_age(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, 'm', seconds % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, 'd', hours % 24, 'h'),
        691_200..63_072_000 => format!("{days}d"),
        _ => two(days / 365, 'y', days % 365, 'd'),
    }
}

fn two(large: u64, large_unit: char, small: u64, small_unit: char) -> String {
    if small == 0 {
        format!("{large}{large_unit}")
    } else {
        format!("{large}{large_unit}{small}{small_unit}")
    }
}

/// A decimal count of any length: as it is up to a million, `2^80` for the powers of two that IPv6 prefixes are.
pub(crate) fn render_count(decimal: &str) -> String {
    match decimal.parse::<u128>() {
        Ok(count) if count > 1_000_000 && count.is_power_of_two() => format!("2^{}", count.trailing_zeros()),
        _ if decimal == "340282366920938463463374607431768211456" => "2^128".to_owned(),
        _ => decimal.to_owned(),
    }
}

/// How full something is, as the contract counts it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage<'a> {
    pub(crate) used: u64,
    /// Neither used nor to be had; a decimal.
    pub(crate) reserved: &'a str,
    /// The same, for a while.
    pub(crate) cooling: u64,
    /// A decimal.
    pub(crate) total: &'a str,
}

/// `[###=------] 27%`: `#` is used, `=` reserved or cooling, `-` free; the percentage is of what is used. What is used is
/// never shown as nothing, nor what is free as full. Nothing of a total that is none.
pub(crate) fn render_usage(usage: Usage<'_>) -> String {
    let Ok(total) = usage.total.parse::<f64>() else { return String::new() };
    if total <= 0.0 {
        return String::new();
    }
    let reserved = usage.reserved.parse::<f64>().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a percentage")]
    let (used, cooling) = (usage.used as f64, usage.cooling as f64);
    let share = (used / total).clamp(0.0, 1.0);
    let withheld = ((reserved + cooling) / total).clamp(0.0, 1.0 - share);
    let has_free = used + reserved + cooling < total;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 100")]
    let (percent, cells, held) =
        ((share * 100.0) as u64, (share * 10.0).round() as usize, (withheld * 10.0).round() as usize);
    let cells =
        if percent == 100 { BAR_CELLS } else { cells.clamp(usize::from(usage.used > 0), BAR_CELLS - 1) };
    let room = BAR_CELLS - cells;
    let held = match has_free {
        // Of what is left, free comes first: it is what one looks for.
        true => held.max(usize::from(withheld > 0.0)).min(room.saturating_sub(1)),
        false => room,
    };
    let bar = "#".repeat(cells) + &"=".repeat(held) + &"-".repeat(room - held);
    let percent = if usage.used > 0 && percent == 0 { "<1".to_owned() } else { percent.to_string() };
    format!("[{bar}] {percent}%")
}

/// Microseconds since 1970 as RFC 3339 in UTC, to the millisecond.
pub(crate) fn render_time(microseconds: u64) -> String {
    let milliseconds = microseconds / 1000;
    let (days, rest) = (milliseconds / 86_400_000, milliseconds % 86_400_000);
    let (seconds, fraction) = (rest / 1000, rest % 1000);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:03}Z")
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar: eras of 400 years, years that begin
/// in March, so that the leap day is the last.
fn civil(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    // From 0000-03-01.
    let days = days + 719_468;
    let day_of_era = days % ERA;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_since_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months_since_march + 2) / 5 + 1;
    let month = if months_since_march < 10 { months_since_march + 3 } else { months_since_march - 9 };
    (days / ERA * 400 + year_of_era + u64::from(month <= 2), month, day)
}
