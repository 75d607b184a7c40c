use std::fmt::Write;

use leptos::prelude::*;

/// Drawing area, stretched to the size of the element.
const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 48.0;
/// Keeps the stroke of the highest value inside the area.
const HEADROOM: f64 = 2.0;

/// A curve of values at equal intervals, from zero up.
#[component]
pub fn Sparkline(
    /// Oldest first. With two values or more the curve fills the whole width.
    #[prop(into)]
    values: Signal<Vec<f64>>,
    /// What the curve shows, for screen readers.
    #[prop(into)]
    label: Signal<String>,
) -> impl IntoView {
    let line = Memo::new(move |_| values.with(|values| line(values)));
    let area = move || line.with(|line| if line.is_empty() { String::new() } else { area(line) });
    view! {
        <svg
            class="sparkline"
            viewBox=format!("0 0 {WIDTH} {HEIGHT}")
            preserveAspectRatio="none"
            role="img"
            aria-label=label
        >
            <path class="sparkline-area" d=area />
            <path class="sparkline-line" d=line />
        </svg>
    }
}

/// Returns the path along the values; empty for fewer than two.
#[expect(clippy::cast_precision_loss, reason = "there are only dozens of values")]
fn line(values: &[f64]) -> String {
    let highest = values.iter().copied().fold(0.0, f64::max);
    if values.len() < 2 || highest <= 0.0 {
        return String::new();
    }
    let mut path = String::new();
    for (index, value) in values.iter().enumerate() {
        let x = WIDTH * index as f64 / (values.len() - 1) as f64;
        let y = HEIGHT - (HEIGHT - HEADROOM) * value / highest;
        // Writing to a string cannot fail.
        let _ = write!(path, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
    }
    path
}

fn area(line: &str) -> String {
    format!("{line}L{WIDTH} {HEIGHT}L0 {HEIGHT}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_value_touches_the_top_and_zero_the_ground() {
        assert_eq!(line(&[0.0, 10.0, 5.0]), "M0.0 48.0L120.0 2.0L240.0 25.0");
    }

    #[test]
    fn fewer_than_two_values_have_no_curve() {
        assert_eq!(line(&[]), "");
        assert_eq!(line(&[3.0]), "");
        assert_eq!(line(&[0.0, 0.0]), "");
    }
}
