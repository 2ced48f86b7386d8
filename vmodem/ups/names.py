"""Names of variables and instant commands, and what each of them is in one line.

The names are the NUT project's (its list of variable and command names); the texts are what ``GET DESC`` and
``GET CMDDESC`` answer.

What does not belong here: values, and which UPS has what.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

VARIABLES: Final[Mapping[str, str]] = {
    "ambient.humidity": "Humidity around the sensor (percent)",
    "ambient.temperature": "Temperature at the sensor (degrees C)",
    "battery.alarm.threshold": "When the UPS sounds its alarm on battery",
    "battery.charge": "Battery charge (percent)",
    "battery.charge.low": "Charge at which the battery counts as low (percent)",
    "battery.charge.restart": "Charge needed before the load is switched on again (percent)",
    "battery.charger.status": "What the battery charger does",
    "battery.date": "Date of the last battery change",
    "battery.packs": "Number of external battery packs",
    "battery.packs.bad": "Number of bad battery packs",
    "battery.runtime": "Battery runtime left (seconds)",
    "battery.runtime.low": "Runtime at which the battery counts as low (seconds)",
    "battery.voltage": "Battery voltage (V)",
    "battery.voltage.high": "Voltage of the full battery (V)",
    "battery.voltage.low": "Voltage of the empty battery (V)",
    "battery.voltage.nominal": "Nominal battery voltage (V)",
    "device.mfr": "Manufacturer of the device",
    "device.model": "Model of the device",
    "device.serial": "Serial number of the device",
    "device.type": "Type of the device",
    "driver.name": "Name of the driver",
    "driver.parameter.port": "Line that the driver uses",
    "driver.parameter.pollinterval": "How often the driver asks the UPS (seconds)",
    "driver.version": "Version of the driver",
    "driver.version.internal": "Version of the dialect",
    "input.current.nominal": "Nominal input current (A)",
    "input.frequency": "Input frequency (Hz)",
    "input.frequency.nominal": "Nominal input frequency (Hz)",
    "input.quality": "Quality of the input",
    "input.sensitivity": "How readily the UPS goes on battery",
    "input.transfer.high": "Input voltage above which the UPS goes on battery (V)",
    "input.transfer.low": "Input voltage below which the UPS goes on battery (V)",
    "input.transfer.reason": "Why the UPS last went on battery",
    "input.voltage": "Input voltage (V)",
    "input.voltage.fault": "Input voltage at the last transfer to battery (V)",
    "input.voltage.maximum": "Highest input voltage seen (V)",
    "input.voltage.minimum": "Lowest input voltage seen (V)",
    "input.voltage.nominal": "Nominal input voltage (V)",
    "output.current": "Output current (A)",
    "output.frequency": "Output frequency (Hz)",
    "output.voltage": "Output voltage (V)",
    "output.voltage.nominal": "Nominal output voltage (V)",
    "server.info": "Name and version of the server",
    "server.version": "Version of the server",
    "ups.alarm": "Alarms of the UPS",
    "ups.beeper.status": "Whether the beeper is enabled",
    "ups.contacts": "State of the UPS's contact inputs",
    "ups.delay.shutdown": "Delay between a shutdown command and the load going off (seconds)",
    "ups.delay.start": "Delay before the load is switched on again (seconds)",
    "ups.firmware": "Firmware of the UPS",
    "ups.firmware.aux": "Firmware of an auxiliary device",
    "ups.id": "Name given to the UPS",
    "ups.load": "Load (percent of the maximum)",
    "ups.mfr": "Manufacturer of the UPS",
    "ups.mfr.date": "Date of manufacture",
    "ups.model": "Model of the UPS",
    "ups.serial": "Serial number of the UPS",
    "ups.status": "Status of the UPS",
    "ups.temperature": "Temperature of the UPS (degrees C)",
    "ups.test.interval": "Time between self tests (seconds)",
    "ups.test.result": "Result of the last self test",
    "ups.type": "Type of the UPS",
}

COMMANDS: Final[Mapping[str, str]] = {
    "beeper.disable": "Silence the beeper",
    "beeper.enable": "Enable the beeper",
    "beeper.toggle": "Enable or silence the beeper",
    "bypass.start": "Put the load on bypass",
    "bypass.stop": "Take the load off bypass",
    "calibrate.start": "Start a runtime calibration",
    "calibrate.stop": "Stop a runtime calibration",
    "load.off": "Switch the load off at once",
    "load.on": "Switch the load on at once",
    "shutdown.reboot": "Switch the load off for a moment",
    "shutdown.return": "Switch the load off, and on again when mains is back",
    "shutdown.stayoff": "Switch the load off and leave it off",
    "shutdown.stop": "Cancel a shutdown",
    "test.battery.start": "Start a battery test",
    "test.battery.start.deep": "Start a deep battery test",
    "test.battery.start.quick": "Start a quick battery test",
    "test.battery.stop": "Stop a battery test",
    "test.failure.start": "Simulate a power failure",
    "test.failure.stop": "End a simulated power failure",
    "test.panel.start": "Test the panel of the UPS",
    "test.panel.stop": "End the test of the panel",
}


def cuts_power(command: str) -> bool:
    """Whether an instant command takes power from the load, now or later, going by its name."""
    words = command.lower().split(".")
    if words[0] == "outlet":
        words = [word for word in words[1:] if not word.isdigit()]
    if words[:1] == ["shutdown"]:
        return words != ["shutdown", "stop"]
    return words[:2] in (["load", "off"], ["load", "cycle"])
