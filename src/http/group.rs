//! The group of instances, for `/status` and `/health`; nothing where there is none.

use serde::Serialize;
use utoipa::ToSchema;

use super::Views;
use super::api::words::Stamp;
use crate::domain::{GroupFault, Member};

/// The group of instances.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GroupReport {
    #[serde(rename = "grupo")]
    group: String,
    /// The name of this instance.
    #[serde(rename = "instancia")]
    instance: String,
    /// Whether the server answers this instance.
    #[serde(rename = "conectada")]
    is_connected: bool,
    /// Since when it does, or does not.
    #[serde(rename = "conexao_desde")]
    since: Option<Stamp>,
    /// The instance that plans; null when none is known.
    #[serde(rename = "lider")]
    leader: Option<String>,
    /// The number of its time in office.
    #[serde(rename = "mandato")]
    term: Option<u64>,
    /// Runs that wait for an instance; null when nobody could be asked.
    #[serde(rename = "fila")]
    waiting: Option<u64>,
    /// Everybody who was heard of in the last seconds.
    #[serde(rename = "instancias")]
    members: Vec<MemberReport>,
}

/// An instance.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MemberReport {
    #[serde(rename = "nome")]
    name: String,
    #[serde(rename = "maquina")]
    host: String,
    #[serde(rename = "vagas")]
    slots: u64,
    #[serde(rename = "desde")]
    since: Stamp,
    #[serde(rename = "vista")]
    seen: Stamp,
    /// The runs that it has.
    #[serde(rename = "execucoes")]
    running: Vec<PlaceReport>,
}

/// A run that an instance has.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlaceReport {
    id: String,
    #[serde(rename = "processador")]
    processor: String,
}

pub(super) fn report(views: &Views) -> Option<GroupReport> {
    let status = views.group.as_ref()?.snapshot();
    let members = status.members.iter();
    Some(GroupReport {
        is_connected: status.is_connected,
        since: status.connection_since.map(|at| views.stamp(at)),
        leader: status.leader.as_ref().map(|leader| leader.instance.clone()),
        term: status.leader.as_ref().map(|leader| leader.term),
        waiting: status.waiting,
        members: members.map(|member| member_report(member, views)).collect(),
        group: status.group,
        instance: status.instance,
    })
}

fn member_report(member: &Member, views: &Views) -> MemberReport {
    let running = member.running.iter();
    MemberReport {
        name: member.name.clone(),
        host: member.host.clone(),
        slots: member.slots,
        since: views.stamp(member.since),
        seen: views.stamp(member.seen),
        running: running
            .map(|(id, processor)| PlaceReport {
                id: id.clone(),
                processor: processor.clone(),
            })
            .collect(),
    }
}

/// What is wrong with the group, in words.
pub(super) fn reasons(views: &Views) -> Vec<String> {
    let Some(board) = &views.group else {
        return Vec::new();
    };
    let status = board.snapshot();
    let mut reasons = Vec::new();
    let since = |at| super::health::moment(at, views);
    if let Some(at) = status.connection_since.filter(|_| !status.is_connected) {
        let fault = status.fault.as_ref().map(GroupFault::words);
        let fault = fault.map_or_else(String::new, |fault| format!(": {fault}"));
        reasons.push(format!("sem conexão com o NATS desde {}{fault}", since(at)));
    } else if let Some(at) = status.leaderless_since {
        reasons.push(format!("nenhuma instância lidera desde {}", since(at)));
    }
    let denied = status.fault.filter(|_| status.is_connected);
    reasons.extend(denied.map(|fault| fault.words()));
    if status.has_namesake {
        reasons.push(format!(
            "outra instância usa o mesmo nome, {}; dê um nome próprio a cada uma em distribuicao.instancia",
            status.instance
        ));
    }
    reasons
}
