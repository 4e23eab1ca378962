"""Codes that go into results must be codes: a typing error in one names another disease."""

from __future__ import annotations

import pytest
from radiolucent.handlers import Label
from radiolucent.handlers.label import CodedConcept
from radiolucent.handlers.terminology import SNOMED_CT, code_of, with_codes


# Verhoeff's check digit, by the tables of the dihedral group of ten elements.
def _product(i: int, j: int) -> int:
    turned = (i + j if i < 5 else i - j) % 5
    return turned if (i < 5) == (j < 5) else 5 + turned


PRODUCT = [[_product(i, j) for j in range(10)] for i in range(10)]
TURN = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]


def checks(code: str) -> bool:
    total = 0
    for position, digit in enumerate(reversed(code)):
        value = int(digit)
        for _ in range(position % 8):
            value = TURN[value]
        total = PRODUCT[total][value]
    return total == 0


@pytest.mark.parametrize("label", SNOMED_CT)
def test_every_code_is_a_concept_with_a_true_check_digit(label: str) -> None:
    code, _ = SNOMED_CT[label]
    assert code.isdecimal()
    assert 6 <= len(code) <= 18
    assert code[-3:-1] == "00", "the partition of concepts of the international edition"
    assert checks(code)


def test_the_check_digit_finds_a_typing_error() -> None:
    assert not checks("840539007")
    assert not checks("233640007")


def test_no_two_labels_share_a_code_or_a_meaning() -> None:
    codes, meanings = zip(*SNOMED_CT.values(), strict=True)
    assert len(set(codes)) == len(codes)
    assert len(set(meanings)) == len(meanings)


@pytest.mark.parametrize("label", SNOMED_CT)
def test_every_label_of_the_table_is_a_coded_concept(label: str) -> None:
    code = code_of(label)
    assert code is not None
    assert code.scheme == "SCT"
    assert 1 <= len(code.meaning) <= 64


def test_the_codes_that_dicom_has_are_those_of_dicom() -> None:
    """As far as pydicom's dictionary of concepts goes."""
    from pydicom.sr.codedict import codes

    for label, keyword in {
        "Effusion": "PleuralEffusion",
        "Pneumothorax": "Pneumothorax",
        "Edema": "PulmonaryEdema",
    }.items():
        assert SNOMED_CT[label][0] == getattr(codes.SCT, keyword).value


def test_a_label_nobody_verified_has_no_code_and_an_own_code_stays() -> None:
    own = CodedConcept(scheme="99LOCAL", value="1", meaning="Mine")
    coded = with_codes([Label(name="Nodule"), Label(name="no_finding"), Label(name="Mass", code=own)])
    assert [label.code and label.code.value for label in coded] == [None, "281900007", "1"]
