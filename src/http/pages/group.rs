//! The group of instances on the overview; nothing where there is none.

use maud::{Markup, html};

use super::words;
use crate::domain::{GroupStatus, Member};
use crate::http::{Views, group, health};

/// The part of the page; none without a group.
pub(super) fn part(views: &Views) -> Option<Markup> {
    let status = views.group.as_ref()?.snapshot();
    Some(html! {
        section #grupo aria-labelledby="titulo-grupo" {
            h2 #titulo-grupo { (words::GROUP) " " (status.group) }
            @for reason in group::reasons(views) { p { (reason) } }
            @if let Some(waiting) = status.waiting { p { (words::QUEUE) ": " (waiting) } }
            (table(&status, views))
        }
    })
}

fn table(status: &GroupStatus, views: &Views) -> Markup {
    html! {
        div.rolagem tabindex="0" role="region" aria-labelledby="titulo-grupo" {
            table {
                thead { tr { @for head in words::MEMBER_HEADS { th scope="col" { (head) } } } }
                tbody { @for one in &status.members { (row(one, status, views)) } }
            }
        }
    }
}

fn row(member: &Member, status: &GroupStatus, views: &Views) -> Markup {
    let leader = status.leader.as_ref().map(|leader| &leader.instance);
    let role = if leader == Some(&member.name) {
        words::LEADER
    } else {
        words::RUNS_WORK
    };
    html! {
        tr {
            th scope="row" { (member.name) @if member.name == status.instance { " " (words::THIS_ONE) } }
            td { (role) }
            td { (member.host) }
            td { (member.running.len()) " / " (member.slots) }
            td {
                @for (index, (run, processor)) in member.running.iter().enumerate() {
                    @if index > 0 { ", " }
                    a href={ "/execucoes/" (run) } { (processor) }
                }
            }
            td { (health::moment(member.since, views)) }
        }
    }
}
