"""BIDS metadata of the simulated images; every record says that it is simulated."""

from collections.abc import Mapping
from typing import Any

from myelosynth.phantom.diffusion import B_VALUE
from myelosynth.phantom.pet import K2PRIME, schedule

SIMULATED: Mapping[str, Any] = {
    "Simulated": True,
    "SimulationDescription": "Physics-based simulation by myelosynth; no person was scanned.",
}
_SCANNER = {
    "Modality": "MR",
    "Manufacturer": "Simulated",
    "ManufacturersModelName": "myelosynth phantom",
    "MagneticFieldStrength": 3,
}
_MR: Mapping[str, Mapping[str, Any]] = {
    "T1w": {
        "RepetitionTime": 2.5,
        "InversionTime": 1.2,
        "EchoTime": 0.003,
        "FlipAngle": 90,
        "MRAcquisitionType": "3D",
    },
    "T2w": {"RepetitionTime": 5.0, "EchoTime": 0.09, "FlipAngle": 90, "MRAcquisitionType": "2D"},
    "FLAIR": {
        "RepetitionTime": 9.0,
        "InversionTime": 2.37,
        "EchoTime": 0.125,
        "FlipAngle": 90,
        "MRAcquisitionType": "2D",
    },
    "MTon": {
        "RepetitionTimeExcitation": 0.03,
        "EchoTime": 0.005,
        "FlipAngle": 10,
        "MTState": True,
        "MRAcquisitionType": "3D",
    },
    "MToff": {
        "RepetitionTimeExcitation": 0.03,
        "EchoTime": 0.005,
        "FlipAngle": 10,
        "MTState": False,
        "MRAcquisitionType": "3D",
    },
    "DWI": {
        "RepetitionTime": 8.0,
        "EchoTime": 0.085,
        "FlipAngle": 90,
        "PhaseEncodingDirection": "j-",
        "TotalReadoutTime": 0.05,
        "MultibandAccelerationFactor": 1,
        "NominalBValue": B_VALUE,
    },
}


def mr_sidecar(contrast: str) -> dict[str, Any]:
    """Metadata of a magnetic resonance image, times in s."""
    return {**_SCANNER, **_MR[contrast], **SIMULATED}


def pet_sidecar() -> dict[str, Any]:
    """Metadata of the dynamic series: frame times in s from the injection, activity decay corrected to it.

    The injected dose is the mean of wei2020 section 2.4.
    """
    frames = schedule()
    return {
        "Modality": "PT",
        "Manufacturer": "Simulated",
        "ManufacturersModelName": "myelosynth phantom",
        "Units": "Bq/mL",
        "BodyPart": "BRAIN",
        "TracerName": "PIB",
        "TracerRadionuclide": "C11",
        "TracerMolecularWeight": 256.32,
        "TracerMolecularWeightUnits": "g/mol",
        "InjectedRadioactivity": 358.0,
        "InjectedRadioactivityUnits": "MBq",
        "InjectedMass": 2.0,
        "InjectedMassUnits": "ug",
        "SpecificRadioactivity": 179.0,
        "SpecificRadioactivityUnits": "MBq/ug",
        "MolarActivity": 45.9,
        "MolarActivityUnits": "GBq/umol",
        "ModeOfAdministration": "bolus",
        "TimeZero": "10:00:00",
        "ScanStart": 0,
        "InjectionStart": 0,
        "InjectionEnd": 60,
        "FrameTimesStart": frames.start_s.tolist(),
        "FrameDuration": frames.duration_s.tolist(),
        "AcquisitionMode": "list mode",
        "ImageDecayCorrected": True,
        "ImageDecayCorrectionTime": 0,
        "ReconMethodName": "simulated",
        "ReconMethodParameterLabels": ["none"],
        "ReconMethodParameterUnits": ["none"],
        "ReconMethodParameterValues": [0],
        "ReconFilterType": "none",
        "ReconFilterSize": 0,
        "AttenuationCorrection": "simulated without attenuation",
        "SimulatedReferenceClearancePerMinute": K2PRIME,
        **SIMULATED,
    }
