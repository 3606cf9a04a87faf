//! `importar`: documents are looked at before anything is stored, and the user is told what comes next.

use std::io::Write;
use std::path::Path;

use jiff::Timestamp;

use super::output::{file_name, read_document};
use super::{CommandError, ImportCommand};
use crate::records::{self, Access, NewContract, NewModel, NewVersion, StoreSettings};
use crate::records::{RecordId, State};

pub(super) fn run(
    command: ImportCommand,
    store: &StoreSettings,
    out: &mut dyn Write,
    now: &dyn Fn() -> Timestamp,
) -> Result<(), CommandError> {
    match command {
        ImportCommand::Model {
            original,
            tagged,
            name,
        } => model((&original, &tagged, name), store, out, now),
        ImportCommand::Contract {
            model,
            number,
            title,
        } => contract(
            &NewContract {
                model,
                number,
                title,
            },
            store,
            out,
            now,
        ),
        ImportCommand::Version {
            contract,
            name,
            file,
        } => version((contract, name, &file), store, out, now),
    }
}

fn model(
    (original, tagged, name): (&Path, &Path, Option<String>),
    store: &StoreSettings,
    out: &mut dyn Write,
    now: &dyn Fn() -> Timestamp,
) -> Result<(), CommandError> {
    let name = name.unwrap_or_else(|| {
        original
            .file_stem()
            .map_or_else(|| file_name(original), lossy)
    });
    let (original, _) = read_document(original)?;
    let (tagged, _) = read_document(tagged)?;
    let model = NewModel {
        name,
        original,
        tagged,
    };
    let id = records::open(store, Access::Write)?.import_model(&model, now())?;
    writeln!(out, "modelo {id} importado: {}", model.name)?;
    writeln!(
        out,
        "próximos passos: as tags são extraídas no próximo ciclo (orquestrador --single-run);"
    )?;
    writeln!(
        out,
        "depois, para comparar contratos deste modelo: orquestrador marcar modelo {id} publicado"
    )?;
    Ok(())
}

fn contract(
    contract: &NewContract,
    store: &StoreSettings,
    out: &mut dyn Write,
    now: &dyn Fn() -> Timestamp,
) -> Result<(), CommandError> {
    let id = records::open(store, Access::Write)?.import_contract(contract, now())?;
    writeln!(out, "contrato {id} importado: {}", contract.number)?;
    writeln!(
        out,
        "próximo passo: orquestrador importar versao --contrato {id} ARQUIVO.docx"
    )?;
    Ok(())
}

fn version(
    (contract, name, file): (RecordId, Option<String>, &Path),
    store: &StoreSettings,
    out: &mut dyn Write,
    now: &dyn Fn() -> Timestamp,
) -> Result<(), CommandError> {
    let (file, _) = read_document(file)?;
    let version = NewVersion {
        contract,
        name,
        file,
    };
    let mut records = records::open(store, Access::Write)?;
    let id = records.import_version(&version, now())?;
    writeln!(
        out,
        "versão {id} importada: {} do contrato {}",
        version.file.name, version.contract
    )?;
    let (model, state) = records.model_of_contract(&version.contract)?;
    write_next_steps((&id, &model, state), out)
}

fn write_next_steps(
    (id, model, state): (&RecordId, &RecordId, State),
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    if state == State::Published {
        writeln!(
            out,
            "próximos passos: ela é comparada no próximo ciclo (orquestrador --single-run);"
        )?;
        writeln!(out, "depois: orquestrador relatorio {id} -o relatorio.html")?;
        return Ok(());
    }
    writeln!(
        out,
        "ela será comparada quando o modelo {model} estiver publicado"
    )?;
    if state == State::Waiting {
        writeln!(
            out,
            "primeiro, as tags do modelo são extraídas no próximo ciclo (orquestrador --single-run)"
        )?;
    }
    writeln!(
        out,
        "próximo passo: orquestrador marcar modelo {model} publicado"
    )?;
    Ok(())
}

fn lossy(text: &std::ffi::OsStr) -> String {
    text.to_string_lossy().into_owned()
}
