//! The panel in which the filters are set.

use chrono::{DateTime, Days, Local, NaiveDate, Utc};
use leptos::{ev, prelude::*};
use shared::{import::Import, search::ProductFilter};

use super::catalogue::Catalogue;
use super::filters::change_filter;
use crate::imports::list_imports;

/// Number of imports to choose from; older ones can be reached from their own pages.
const MAX_LISTED_IMPORTS: u32 = 50;

#[component]
pub fn FilterPanel() -> impl IntoView {
    let catalogue = Catalogue::expect();
    let filter = Memo::new(move |_| catalogue.filter());
    let description = move || match filter.with(|filter| filter.has_description) {
        None => "",
        Some(true) => "true",
        Some(false) => "false",
    };
    let describe = move |event: ev::Event| {
        let has_description = event_target_value(&event).parse().ok();
        change_filter(catalogue, |filter| filter.has_description = has_description);
    };
    view! {
        <div class="filter-panel">
            <label class="field">
                <span class="field-label">"Description"</span>
                <select class="select" data-testid="filter-description" on:change=describe>
                    <option value="" selected=move || description().is_empty()>"Any"</option>
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
    change_filter(catalogue, |filter| *field(filter) = day.and_then(start_of));
}

fn set_to(catalogue: Catalogue, field: impl FnOnce(&mut ProductFilter) -> &mut Moment, day: Option<NaiveDate>) {
    change_filter(catalogue, |filter| {
        *field(filter) = day.and_then(|day| start_of(day.checked_add_days(Days::new(1))?));
    });
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

/// The import that created or changed the products last.
#[component]
fn ImportField() -> impl IntoView {
    let catalogue = Catalogue::expect();
    let imports = LocalResource::new(move || list_imports(None, MAX_LISTED_IMPORTS));
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
    // The chosen import may be too old for the list.
    let unlisted = move || {
        let id = chosen.get().filter(|id| listed().iter().all(|import| import.id != *id))?;
        Some(view! { <option value=id.to_string() selected>{format!("No. {id}")}</option> })
    };
    view! {
        <label class="field">
            <span class="field-label">"Last import"</span>
            <select
                class="select"
                data-testid="filter-import"
                on:change=move |event| {
                    let id = event_target_value(&event).parse().ok();
                    change_filter(catalogue, |filter| filter.import = id);
                }
            >
                <option value="" selected=move || chosen.get().is_none()>"Any"</option>
                {unlisted}
                {move || listed().into_iter().map(option).collect_view()}
            </select>
        </label>
    }
}

/// Returns when a day begins in the browser's time zone.
pub fn start_of(day: NaiveDate) -> Moment {
    let midnight = day.and_hms_opt(0, 0, 0)?;
    // If the clocks go forward at midnight, the day begins an hour later.
    let local = midnight.and_local_timezone(Local);
    let start =
        local.earliest().or_else(|| (midnight + chrono::TimeDelta::hours(1)).and_local_timezone(Local).earliest());
    start.map(|start| start.with_timezone(&Utc))
}

pub fn first_day(from: DateTime<Utc>) -> NaiveDate {
    from.with_timezone(&Local).date_naive()
}

/// Returns the last day before that time.
pub fn last_day(to: DateTime<Utc>) -> NaiveDate {
    (to - chrono::TimeDelta::milliseconds(1)).with_timezone(&Local).date_naive()
}

pub fn day_text(day: NaiveDate) -> String {
    day.format("%-d %b %Y").to_string()
}
