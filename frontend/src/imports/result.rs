//! The result of an import: an equation that accounts for every row.

use leptos::prelude::*;
use shared::import::Counts;

use super::run::Run;
use crate::ui::format::thousands;
use crate::ui::{Glyph, Icon};

/// One term of the equation.
struct Term {
    /// Name of the field in the API; also of its colour.
    key: &'static str,
    label: &'static str,
    /// Tooltip.
    meaning: &'static str,
    count: fn(&Counts) -> i64,
}

const TERMS: [Term; 5] = [
    Term { key: "created", label: "Created", meaning: "Created a product", count: |c| c.created },
    Term { key: "updated", label: "Updated", meaning: "Changed a product", count: |c| c.updated },
    Term {
        key: "unchanged",
        label: "Unchanged",
        meaning: "The product already had these values",
        count: |c| c.unchanged,
    },
    Term {
        key: "duplicates",
        label: "Duplicate SKU",
        meaning: "A later row has the same SKU",
        count: |c| c.duplicates,
    },
    Term { key: "rejected", label: "Rejected", meaning: "Could not be imported", count: |c| c.rejected },
];

#[component]
pub fn ResultCard(run: RwSignal<Run>) -> impl IntoView {
    let counts = Memo::new(move |_| run.with(|run| run.import.counts));
    let ended = Memo::new(move |_| run.with(|run| run.import.status.is_final()));
    let read = move || counts.with(|counts| counts.read);
    view! {
        <section class="card result" aria-labelledby="result-title" data-testid="result">
            <header class="card-head">
                <h2 id="result-title">"Results"</h2>
                <Verdict counts ended />
            </header>
            <Shares counts />
            <dl class="equation">
                {TERMS.into_iter().enumerate().map(|(index, term)| {
                    let count = move || counts.with(term.count);
                    let sign = if index == 0 { "" } else { "+" };
                    view! {
                        <div class="term" data-term=term.key title=term.meaning>
                            <dt>{term.label}</dt>
                            <dd data-sign=sign data-testid=format!("count-{}", term.key) data-value=count>
                                {move || thousands(count())}
                            </dd>
                        </div>
                    }
                }).collect_view()}
                <div class="term term-sum" title="Rows of the file, without its header">
                    <dt>"Read"</dt>
                    <dd data-sign="=" data-testid="count-read" data-value=read>{move || thousands(read())}</dd>
                </div>
            </dl>
        </section>
    }
}

/// Whether the equation holds; shown after the end only.
#[component]
fn Verdict(counts: Memo<Counts>, ended: Memo<bool>) -> impl IntoView {
    let verdict = move || match (ended.get(), counts.with(Counts::adds_up)) {
        (false, _) => None,
        (true, true) => Some(view! {
            <p class="verdict" data-tone="good"><Icon glyph=Glyph::Check />"Every row is accounted for"</p>
        }),
        (true, false) => Some(view! {
            <p class="verdict" data-tone="bad"><Icon glyph=Glyph::Warning />"The figures do not add up"</p>
        }),
    };
    view! { {verdict} }
}

/// The terms as shares of one bar; the equation below has the same figures.
#[component]
fn Shares(counts: Memo<Counts>) -> impl IntoView {
    view! {
        <div class="shares" aria-hidden="true">
            {TERMS.into_iter().map(|term| {
                let count = move || counts.with(term.count);
                view! {
                    <span
                        class="share"
                        class:share-some=move || count().is_positive()
                        data-term=term.key
                        style:flex-grow=move || count().to_string()
                    ></span>
                }
            }).collect_view()}
        </div>
    }
}
