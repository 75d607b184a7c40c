//! The conditions beside the search text: where they are set, and the chips that show and remove them.

use chrono::{DateTime, Days, Local, NaiveDate, Utc};
use leptos::{ev, prelude::*};
use shared::{import::Import, search::ProductFilter};

use super::catalogue::Catalogue;
use crate::ui::format::thousands;
use crate::ui::{Glyph, Icon, Popover};

/// Number of imports that can be chosen from a list; older ones are reached by the link on their page.
const IMPORTS: u32 = 50;

/// Conditions that have no place of their own in the toolbar.
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

    /// What the condition says, where it is set.
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
            Self::Import => format!("Import no. {}", thousands(filter.import?)),
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

fn put(catalogue: Catalogue, change: impl FnOnce(&mut ProductFilter)) {
    let view = catalogue.view.get_untracked();
    let mut filter = view.filter.clone();
    change(&mut filter);
    catalogue.show(&view.with_filter(filter), false);
}

/// The conditions that are set, each with what removes it.
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
        let label = format!("Remove the filter: {text}");
        view! {
            <li>
                <button
                    type="button"
                    class="chip"
                    data-testid="chip"
                    aria-label=label
                    on:click=move |_| put(catalogue, |filter| *filter = condition.without(filter))
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

/// All products again, in the same order.
pub fn clear(catalogue: Catalogue) {
    put(catalogue, |filter| *filter = ProductFilter::default());
}

/// The button that shows the further conditions, and how many of them are set.
#[component]
pub fn FilterButton() -> impl IntoView {
    let catalogue = Catalogue::expect();
    let open = RwSignal::new(false);
    let number = Memo::new(move |_| {
        catalogue.view.with(|view| Condition::ALL[1..].iter().filter(|c| c.text(&view.filter).is_some()).count())
    });
    let button = move || {
        view! {
            <Icon glyph=Glyph::Filter />
            <span class="button-text">"Filter"</span>
            {move || (number.get() > 0).then(|| view! { <span class="button-count">{number}</span> })}
        }
    };
    view! {
        <Popover open label="More filters" testid="filters" button=button>
            <FilterPanel />
        </Popover>
    }
}

#[component]
fn FilterPanel() -> impl IntoView {
    let catalogue = Catalogue::expect();
    let filter = Memo::new(move |_| catalogue.filter());
    let description = move || match filter.with(|filter| filter.has_description) {
        None => "",
        Some(true) => "true",
        Some(false) => "false",
    };
    let describe = move |event: ev::Event| {
        let wanted = event_target_value(&event).parse().ok();
        put(catalogue, |filter| filter.has_description = wanted);
    };
    view! {
        <div class="filter-panel">
            <label class="field">
                <span class="field-label">"Description"</span>
                <select class="select" data-testid="filter-description" on:change=describe>
                    <option value="" selected=move || description().is_empty()>"With or without"</option>
                    <option value="true" selected=move || description() == "true">"With a description"</option>
                    <option value="false" selected=move || description() == "false">"Without a description"</option>
                </select>
            </label>
            <fieldset class="field field-pair">
                <legend class="field-label">"Created"</legend>
                <DayField label="Created from" testid="created-from" day=move || filter.get().created_from.map(first_day)
                    set=move |day| set_from(catalogue, |f| &mut f.created_from, day) />
                <DayField label="Created until" testid="created-to" day=move || filter.get().created_to.map(last_day)
                    set=move |day| set_to(catalogue, |f| &mut f.created_to, day) />
            </fieldset>
            <fieldset class="field field-pair">
                <legend class="field-label">"Updated"</legend>
                <DayField label="Updated from" testid="updated-from" day=move || filter.get().updated_from.map(first_day)
                    set=move |day| set_from(catalogue, |f| &mut f.updated_from, day) />
                <DayField label="Updated until" testid="updated-to" day=move || filter.get().updated_to.map(last_day)
                    set=move |day| set_to(catalogue, |f| &mut f.updated_to, day) />
            </fieldset>
            <ImportField />
        </div>
    }
}

type Moment = Option<DateTime<Utc>>;

fn set_from(catalogue: Catalogue, field: impl FnOnce(&mut ProductFilter) -> &mut Moment, day: Option<NaiveDate>) {
    put(catalogue, |filter| *field(filter) = day.and_then(start_of));
}

fn set_to(catalogue: Catalogue, field: impl FnOnce(&mut ProductFilter) -> &mut Moment, day: Option<NaiveDate>) {
    put(catalogue, |filter| *field(filter) = day.and_then(|day| start_of(day.checked_add_days(Days::new(1))?)));
}

#[component]
fn DayField(
    label: &'static str,
    testid: &'static str,
    day: impl Fn() -> Option<NaiveDate> + Send + 'static,
    set: impl Fn(Option<NaiveDate>) + 'static,
) -> impl IntoView {
    let value = move || day().map(|day| day.to_string()).unwrap_or_default();
    view! {
        <input
            type="date"
            class="input"
            aria-label=label
            data-testid=testid
            prop:value=value
            on:change=move |event| set(event_target_value(&event).parse().ok())
        />
    }
}

/// The import that wrote the products last.
#[component]
fn ImportField() -> impl IntoView {
    let catalogue = Catalogue::expect();
    let imports = LocalResource::new(move || crate::imports::list_imports(None, IMPORTS));
    let chosen = Memo::new(move |_| catalogue.view.with(|view| view.filter.import));
    let listed = move || imports.get().and_then(Result::ok).map(|page| page.items).unwrap_or_default();
    let option = move |import: Import| {
        let id = import.id;
        view! {
            <option value=id.to_string() selected=move || chosen.get() == Some(id)>
                {format!("No. {id} · {}", import.file_name)}
            </option>
        }
    };
    // One that is too old for the list is still the one that is chosen.
    let unlisted = move || {
        let id = chosen.get().filter(|id| listed().iter().all(|import| import.id != *id))?;
        Some(view! { <option value=id.to_string() selected>{format!("No. {id}")}</option> })
    };
    view! {
        <label class="field">
            <span class="field-label">"Last written by the import"</span>
            <select
                class="select"
                data-testid="filter-import"
                on:change=move |event| {
                    let id = event_target_value(&event).parse().ok();
                    put(catalogue, |filter| filter.import = id);
                }
            >
                <option value="" selected=move || chosen.get().is_none()>"Any, or none"</option>
                {unlisted}
                {move || listed().into_iter().map(option).collect_view()}
            </select>
        </label>
    }
}

/// When a day begins, in the browser's time zone.
fn start_of(day: NaiveDate) -> Moment {
    let midnight = day.and_hms_opt(0, 0, 0)?;
    // Where the clocks are put forward at midnight, the day begins an hour later.
    let local = midnight.and_local_timezone(Local);
    let start =
        local.earliest().or_else(|| (midnight + chrono::TimeDelta::hours(1)).and_local_timezone(Local).earliest());
    start.map(|start| start.with_timezone(&Utc))
}

fn first_day(from: DateTime<Utc>) -> NaiveDate {
    from.with_timezone(&Local).date_naive()
}

/// The last day before the moment.
fn last_day(to: DateTime<Utc>) -> NaiveDate {
    (to - chrono::TimeDelta::milliseconds(1)).with_timezone(&Local).date_naive()
}

fn day_text(day: NaiveDate) -> String {
    day.format("%-d %b %Y").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_meant_from_its_beginning_to_its_end() {
        let day = NaiveDate::from_ymd_opt(2026, 11, 24).expect("a day");
        let from = start_of(day).expect("it begins");
        let to = start_of(day.succ_opt().expect("a next day")).expect("it ends");
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
