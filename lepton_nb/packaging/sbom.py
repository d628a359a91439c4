"""What a Bento is made of: `sbom.json`, a CycloneDX bill of materials."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclonedx.model.component import Component
    from cyclonedx.model.license import License

__all__ = ["SBOM", "bill_of"]

SBOM = "sbom.json"

_CLASSIFIER = "License :: "
# Some distributions have their whole licence in the field that is for its name.
_LONGEST_NAME = 64
_MODELS = (".onnx", ".safetensors")


def bill_of(tag: str, model: Path, requirements: Iterable[str]) -> str:
    """The bill of materials of a Bento.

    Its components are the model's files with their SHA-256, and each pinned requirement with its package URL and,
    where the installed distribution states one, its licence.

    Args:
        tag: `name:version` of the Bento.
        model: the model folder.
        requirements: `name==version` each.

    Returns:
        CycloneDX 1.6 as JSON; see https://cyclonedx.org/docs/1.6/json/.
    """
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    name, _, version = tag.partition(":")
    whole = Component(name=name, version=version, type=ComponentType.APPLICATION, bom_ref=tag)
    bill = Bom()
    bill.metadata.component = whole
    ours = metadata.version("lepton_nb")
    bill.metadata.tools.components.add(Component(name="lepton_nb", version=ours, type=ComponentType.APPLICATION))
    parts = [_library(line) for line in requirements]
    for path in sorted(path for path in model.iterdir() if path.suffix in _MODELS):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        kind = ComponentType.MACHINE_LEARNING_MODEL
        hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digest)]
        parts.append(Component(name=path.name, version=version, type=kind, hashes=hashes, bom_ref=f"model/{path.name}"))
    bill.components.update(parts)
    bill.register_dependency(whole, parts)
    text: str = JsonV1Dot6(bill).output_as_string(indent=1)
    return text


def _library(line: str) -> Component:
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    name, _, version = line.partition("==")
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        purl=PackageURL("pypi", name=name, version=version),
        licenses=_licences(name),
        bom_ref=line,
    )


def _licences(name: str) -> Iterator[License]:
    """What an installed distribution says of its licence: an SPDX expression, else a name, else its classifiers."""
    from cyclonedx.contrib.license.factories import LicenseFactory

    try:
        stated = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return
    make = LicenseFactory()
    if "License-Expression" in stated:
        yield make.make_from_string(stated["License-Expression"])
        return
    text = stated["License"].strip() if "License" in stated else ""
    if text and text != "UNKNOWN" and "\n" not in text and len(text) <= _LONGEST_NAME:
        yield make.make_from_string(text)
        return
    for line in stated.get_all("Classifier") or ():
        if line.startswith(_CLASSIFIER) and line != "License :: OSI Approved":
            yield make.make_with_name(line.rpartition(" :: ")[2])
