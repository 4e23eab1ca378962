"""Public data sets and folders are read into the same films as a manifest of one's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid
from radiolucent.datasets import SPLITS, DataSet, ManifestError, read_data_set
from radiolucent.datasets.licences import allows_commercial_use
from radiolucent.datasets.readers.covid_chestxray import stated_by
from radiolucent.datasets.readers.values import age

Picture = Callable[[str, int], Path]

COVID = "patientid,offset,sex,age,finding,RT_PCR_positive,view,modality,folder,filename,license,clinical_notes,"
NIH = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)


def known(data: DataSet) -> dict[str, dict[str, bool]]:
    return {film.file: dict(film.known) for film in data.films}


def test_the_metadata_of_covid_chestxray(tmp_path: Path, picture: Picture) -> None:
    findings = [
        "Pneumonia/Viral/COVID-19",
        "Pneumonia/Bacterial/Streptococcus",
        "Pneumonia/Viral/COVID-19",
        "Pneumonia",
        "No Finding",
    ]
    rows = [f'{i},0,M,{60 + i},{f},Y,PA,X-ray,images,{i}.png,CC BY-NC-SA,"two\nlines",' for i, f in enumerate(findings)]
    rows += [
        "7,,,,todo,,PA,X-ray,images,7.png,,,",
        "8,,,,Unknown,,AP,X-ray,images,8.png,,,",
        "9,,F,,No Finding,,L,X-ray,images,9.png,,,",
        "10,,F,,Pneumonia/Viral/COVID-19,Y,Axial,CT,volumes,10.nii.gz,,,",
    ]
    (tmp_path / "metadata.csv").write_text("\n".join([COVID, *rows]))
    for index in range(len(findings)):
        picture(f"images/{index}.png", index)
    data = read_data_set(tmp_path / "metadata.csv")
    assert data.left_out == {"finding not told": 2, "not a frontal view": 1, "not an X-ray": 1}
    assert [label.name for label in data.labels] == [
        "COVID-19",
        "Viral Pneumonia",
        "Bacterial Pneumonia",
        "Pneumonia",
        "No Finding",
    ]
    unspecified = known(data)["3.png"]
    assert unspecified == {"Pneumonia": True, "No Finding": False}
    film = data.films[0]
    assert (film.patient, film.sex, film.age, film.view, film.line) == ("ieee8023:0", "M", 60.0, "PA", 3)
    assert (film.source, film.commercial_use) == ("ieee8023", False)


@pytest.mark.parametrize(
    ("finding", "present", "absent"),
    [
        ("Pneumonia/Viral/COVID-19", "COVID-19 Viral Pneumonia", "Bacterial No"),
        ("Pneumonia/Viral", "Viral Pneumonia", "Bacterial No"),
        ("Pneumonia/Fungal/Pneumocystis", "Pneumonia", "COVID-19 Viral Bacterial No"),
        ("Tuberculosis", "", "COVID-19 Viral Bacterial Pneumonia No"),
        ("COVID-19, ARDS", "COVID-19 Viral Pneumonia", "Bacterial No"),
        ("pneumonia", "Pneumonia", "No"),
    ],
)
def test_a_finding_states_its_path_and_what_branches_off_it(finding: str, present: str, absent: str) -> None:
    stated = stated_by(finding)
    assert {name.split()[0] for name, value in stated.items() if value} == set(present.split())
    assert {name.split()[0] for name, value in stated.items() if not value} == set(absent.split())


def nih(folder: Path, picture: Picture) -> Path:
    entries = [
        f"{i:08}_000.png,{labels},0,{i},{years},F,AP,2500,2048,0.168,0.168"
        for i, (labels, years) in enumerate(
            [("Mass|Pneumonia", "058Y"), ("No Finding", "58"), ("Effusion", "413"), ("No Finding", "011M")]
        )
    ]
    (folder / "Data_Entry_2017_v2020.csv").write_text("\n".join([NIH, *entries]))
    for index in range(4):
        picture(f"images_00{1 + index % 2}/images/{index:08}_000.png", index)
    return folder


def test_the_entries_of_nih_chestxray14(tmp_path: Path, picture: Picture) -> None:
    data = read_data_set(nih(tmp_path, picture), labels=["Pneumonia", "No Finding"])
    np.testing.assert_array_equal(data.targets(data.films), [[1, 0], [0, 1], [0, 0], [0, 1]])
    assert [film.age for film in data.films] == [58.0, 58.0, None, pytest.approx(11 / 12)]
    film = data.films[0]
    assert (film.patient, film.view, film.width, film.height) == ("nih:00000", "AP", 2500, 2048)
    assert "COVID-19" not in film.known  # not searched for where there is pneumonia
    assert data.films[1].known["COVID-19"] is False
    assert data.commercial_use


def test_the_official_test_list_of_nih_is_kept(tmp_path: Path, picture: Picture) -> None:
    folder = nih(tmp_path, picture)
    (folder / "test_list.txt").write_text("00000003_000.png\n")
    (folder / "train_val_list.txt").write_text("".join(f"{i:08}_000.png\n" for i in range(3)))
    data = read_data_set(folder)
    assert [film.file for film in data.of("test")] == ["00000003_000.png"]
    assert [len(data.of(split)) for split in SPLITS] == [2, 1, 1]


def test_labels_that_a_public_data_set_has_not_are_named(tmp_path: Path, picture: Picture) -> None:
    with pytest.raises(ManifestError, match="there is no label 'Tuberculosis'"):
        read_data_set(nih(tmp_path, picture), labels=["Tuberculosis"])


def test_a_folder_for_each_class(tmp_path: Path, picture: Picture) -> None:
    for index in range(12):
        picture(f"x/{('Pneumonia', 'No Finding')[index % 2]}/{index}.png", index)
        picture(
            f"y/{('train', 'valid', 'test')[index // 4]}/{('Pneumonia', 'No Finding')[index % 2]}/{index}.png", index
        )
    (tmp_path / "x/Pneumonia/Thumbs.db").write_bytes(b"nothing")
    data = read_data_set(tmp_path / "x")
    assert [label.name for label in data.labels] == ["Pneumonia", "No Finding"]
    assert known(data)["Pneumonia/0.png"]["No Finding"] is False
    assert any("tell no patients" in warning for warning in data.warnings)
    assert [len(read_data_set(tmp_path / "y").of(split)) for split in SPLITS] == [4, 4, 4]
    before = data.checksum
    picture("x/Pneumonia/0.png", 99)
    assert read_data_set(tmp_path / "x").checksum != before


def dicom(path: Path, number: int, **more: str) -> str:
    """Write a DICOM of patient SMITH^JOHN<number>; return its instance UID."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    file.SOPClassUID = DigitalXRayImageStorageForPresentation
    told = {"Modality": "DX", "PatientSex": "F", "PatientAge": "061Y", "ViewPosition": "PA"}
    for keyword, value in {**told, "PatientName": f"SMITH^JOHN{number}", "PatientID": f"MRN{number}", **more}.items():
        setattr(file, keyword, value)
    file.Rows, file.Columns, file.SamplesPerPixel, file.PhotometricInterpretation = 24, 20, 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 8, 8, 7, 0
    file.PixelData = np.random.default_rng(number).integers(0, 256, (24, 20), dtype=np.uint8).tobytes()
    file.save_as(path, enforce_file_format=True)
    return str(file.SOPInstanceUID)


def test_dicom_files_in_folders_of_classes(tmp_path: Path) -> None:
    for index in range(6):
        dicom(tmp_path / f"{('Pneumonia', 'No Finding')[index % 2]}/{index}.dcm", index)
    dicom(tmp_path / "Pneumonia/side.dcm", 7, ViewPosition="LL")
    dicom(tmp_path / "Pneumonia/ct.dcm", 8, Modality="CT")
    data = read_data_set(tmp_path)
    assert data.left_out == {"not a frontal view": 1, "not an X-ray": 1}
    film = data.films[0]
    assert (film.sex, film.age, film.view, film.width, film.height) == ("F", 61.0, "PA", 20, 24)
    assert len({film.group for film in data.films}) == 6


def test_dicom_files_need_no_suffix_and_what_is_passed_over_is_counted(tmp_path: Path, picture: Picture) -> None:
    for index in range(6):
        dicom(tmp_path / f"{('Pneumonia', 'No Finding')[index % 2]}/IM{index}", index)
    dicom(tmp_path / "IM9", 9)
    picture("Pneumonia/0.png", 0)
    data = read_data_set(tmp_path, kind="dicom")
    assert [film.file for film in data.films if film.known["Pneumonia"]] == [f"Pneumonia/IM{n}" for n in (0, 2, 4)]
    assert data.left_out == {"in no folder of a class": 1, "no DICOM file": 1}


def test_a_dicom_file_without_a_split_among_others_is_a_problem(tmp_path: Path) -> None:
    rows = [f"{dicom(tmp_path / str(i), i)},Pneumonia,{('train', 'val', 'test', '')[i]}" for i in range(4)]
    (tmp_path / "labels.csv").write_text("\n".join(["sop_instance_uid,labels,split", *rows]))
    with pytest.raises(ManifestError) as raised:
        read_data_set(tmp_path)
    assert raised.value.problems == ("line 5: split is empty, but not in other rows",)


def test_dicom_files_with_a_table_by_instance(tmp_path: Path) -> None:
    rows = [f"{dicom(tmp_path / f'a/{i}', i // 2)},{('Pneumonia', 'No Finding')[i % 2]}" for i in range(8)]
    (tmp_path / "labels.csv").write_text("\n".join(["sop_instance_uid,labels", *rows[:7]]))
    data = read_data_set(tmp_path)
    assert data.left_out == {"not in labels.csv": 1}
    assert [film.file for film in data.films] == [f"a/{i}" for i in range(7)]
    assert len({film.group for film in data.films}) == 4
    assert known(data)["a/0"]["Pneumonia"] is True


def test_no_patient_is_named_by_a_film_or_by_a_problem(tmp_path: Path) -> None:
    for index, split in enumerate(["train", "val", "test", "train"]):
        dicom(tmp_path / f"{split}/Pneumonia/{index}.dcm", index % 3)
    dicom(tmp_path / "test/Pneumonia/9.dcm", 1)
    dicom(tmp_path / "train/Pneumonia/8.dcm", 5, PatientID="")
    with pytest.raises(ManifestError) as raised:
        read_data_set(tmp_path)
    text = str(raised.value)
    assert len(raised.value.problems) == 2, text
    assert "no PatientID" in text
    assert "is in 'val', but in 'test'" in text or "is in 'test', but in 'val'" in text
    (tmp_path / "train/Pneumonia/8.dcm").unlink()
    (tmp_path / "test/Pneumonia/9.dcm").unlink()
    text += repr(read_data_set(tmp_path).films).replace(str(tmp_path), "")
    assert not any(word in text for word in ("MRN", "SMITH", "JOHN"))


def test_a_kind_can_be_told_and_must_fit(tmp_path: Path, picture: Picture) -> None:
    for index in range(6):
        picture(f"Pneumonia/{index}.png", index)
    with pytest.raises(ManifestError, match="without the CSV file"):
        read_data_set(tmp_path, kind="nih")
    with pytest.raises(ManifestError, match="does not exist"):
        read_data_set(tmp_path / "nowhere")
    (tmp_path / "manifest.csv").write_text("file\n")
    with pytest.raises(ManifestError, match="column 'labels' is missing"):
        read_data_set(tmp_path)
    assert len(read_data_set(tmp_path, kind="folders").films) == 6


@pytest.mark.parametrize(
    ("cell", "years"),
    [("58", 58), ("058Y", 58), ("006M", 0.5), ("010D", 10 / 365.25), ("413", None), ("", None), ("x", None)],
)
def test_ages(cell: str, years: float | None) -> None:
    assert age(cell) == (None if years is None else pytest.approx(years))


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("CC BY 4.0", True),
        ("CC0", True),
        ("cc-by-sa", True),
        ("CC BY-NC-SA 4.0", False),
        ("", None),
        ("by letter", None),
    ],
)
def test_licences(licence: str, allowed: bool | None) -> None:
    assert allows_commercial_use(licence) is allowed
