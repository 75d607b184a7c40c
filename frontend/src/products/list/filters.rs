//! The filters next to the search text, and the chips that show and remove them.

use leptos::prelude::*;
use shared::search::ProductFilter;

use super::catalogue::Catalogue;
use super::filter_panel::{FilterPanel, day_text, first_day, last_day};
use crate::ui::format::thousands;
use crate::ui::{Glyph, Icon, Popover};

/// A condition of a filter, except for the search text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Condition {
    Active,
    HasDescription,
    CreatedFrom,
    CreatedTo,
    UpdatedFrom,
    UpdatedTo,
    Import,
}

impl Condition {
    const ALL: [Self; 7] = [
        Self::Active,
        Self::HasDescription,
        Self::CreatedFrom,
        Self::CreatedTo,
        Self::UpdatedFrom,
        Self::UpdatedTo,
        Self::Import,
    ];

    /// The text of its chip, if the condition is set.
    fn text(self, filter: &ProductFilter) -> Option<String> {
        Some(match self {
            Self::Active => if filter.active? { "Active" } else { "Inactive" }.to_owned(),
            Self::HasDescription => {
                if filter.has_description? { "With a description" } else { "Without a description" }.to_owned()
            }
            Self::CreatedFrom => format!("Created from {}", day_text(first_day(filter.created_from?))),
            Self::CreatedTo => format!("Created until {}", day_text(last_day(filter.created_to?))),
            Self::UpdatedFrom => format!("Updated from {}", day_text(first_day(filter.updated_from?))),
            Self::UpdatedTo => format!("Updated until {}", day_text(last_day(filter.updated_to?))),
            Self::Import => format!("Last import: no. {}", thousands(filter.import?)),
        })
    }

    fn without(self, filter: &ProductFilter) -> ProductFilter {
        let mut filter = filter.clone();
        match self {
            Self::Active => filter.active = None,
            Self::HasDescription => filter.has_description = None,
            Self::CreatedFrom => filter.created_from = None,
            Self::CreatedTo => filter.created_to = None,
            Self::UpdatedFrom => filter.updated_from = None,
            Self::UpdatedTo => filter.updated_to = None,
            Self::Import => filter.import = None,
        }
        filter
    }
}

/// Shows the list with a changed filter.
pub fn change_filter(catalogue: Catalogue, change: impl FnOnce(&mut ProductFilter)) {
    let view = catalogue.view.get_untracked();
    let mut filter = view.filter.clone();
    change(&mut filter);
    catalogue.show(&view.with_filter(filter), false);
}

/// A chip for each condition that is set; it removes the condition.
#[component]
pub fn FilterChips() -> impl IntoView {
    let catalogue = Catalogue::expect();
    let chips = Memo::new(move |_| {
        catalogue.view.with(|view| {
            let chip = |condition: Condition| Some((condition, condition.text(&view.filter)?));
            Condition::ALL.into_iter().filter_map(chip).collect::<Vec<_>>()
        })
    });
    let chip = move |(condition, text): (Condition, String)| {
        let label = format!("Remove filter: {text}");
        view! {
            <li>
                <button
                    type="button"
                    class="chip"
                    data-testid="chip"
                    aria-label=label
                    on:click=move |_| change_filter(catalogue, |filter| *filter = condition.without(filter))
                >
                    {text}
                    <Icon glyph=Glyph::Cross />
                </button>
            </li>
        }
    };
    view! {
        <Show when=move || chips.with(|chips| !chips.is_empty())>
            <ul class="chips" aria-label="Filters" data-testid="chips">
                <For each=move || chips.get() key=Clone::clone children=chip />
                <li>
                    <button type="button" class="link-button" data-testid="clear-filters" on:click=move |_| clear(catalogue)>
                        "Clear filters"
                    </button>
                </li>
            </ul>
        </Show>
    }
}

/// Shows all products again, in the same order.
pub fn clear(catalogue: Catalogue) {
    change_filter(catalogue, |filter| *filter = ProductFilter::default());
}

/// The button that opens the filters that are not in the toolbar, with the number of those that are set.
#[component]
pub fn FilterButton() -> impl IntoView {
    let catalogue = Catalogue::expect();
    let open = RwSignal::new(false);
    let count = Memo::new(move |_| {
        // The status has its place in the toolbar.
        catalogue.view.with(|view| Condition::ALL[1..].iter().filter(|c| c.text(&view.filter).is_some()).count())
    });
    let button = move || {
        view! {
            <Icon glyph=Glyph::Filter />
            <span class="button-text">"Filter"</span>
            {move || (count.get() > 0).then(|| view! { <span class="button-count">{count}</span> })}
        }
    };
    view! {
        <Popover open label="More filters" testid="filters" button=button>
            <FilterPanel />
        </Popover>
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate};

    use super::super::filter_panel::start_of;
    use super::*;

    #[test]
    fn a_filter_by_day_includes_the_whole_day() {
        let day = NaiveDate::from_ymd_opt(2026, 11, 24).expect("a valid day");
        let from = start_of(day).expect("it has a start");
        let to = start_of(day.succ_opt().expect("a valid day")).expect("it has an end");
        assert_eq!((first_day(from), last_day(to)), (day, day));
        let filter = ProductFilter { created_from: Some(from), created_to: Some(to), ..ProductFilter::default() };
        assert_eq!(Condition::CreatedFrom.text(&filter).as_deref(), Some("Created from 24 Nov 2026"));
        assert_eq!(Condition::CreatedTo.text(&filter).as_deref(), Some("Created until 24 Nov 2026"));
    }

    #[test]
    fn every_condition_has_a_chip_that_removes_it() {
        let now = DateTime::from_timestamp(1_800_000_000, 0);
        let mut filter = ProductFilter {
            q: "tea".into(),
            active: Some(true),
            has_description: Some(false),
            created_from: now,
            created_to: now,
            updated_from: now,
            updated_to: now,
            import: Some(7),
        };
        for condition in Condition::ALL {
            assert!(condition.text(&filter).is_some(), "{condition:?}");
            filter = condition.without(&filter);
            assert!(condition.text(&filter).is_none(), "{condition:?}");
        }
        assert_eq!(filter, ProductFilter { q: "tea".into(), ..ProductFilter::default() });
    }
}
