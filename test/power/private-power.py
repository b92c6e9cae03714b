#!/usr/bin/python3
"""The real upowerd and power-profiles-daemon over a simulated laptop, on a system bus of its own.

  umockdev-wrapper /usr/bin/python3 private-power.py FOLDER

Prints "ready SYS" once the bus answers at unix:path=FOLDER/bus; SYS is the simulated /sys. Then it runs each line of its input and
prints "done" or "failed". At the end of the input everything it started is ended. It begins on battery at 42 %. Commands:

  plug | unplug | level N            charger ADP1, battery BAT1; the kernel tells of it
  set DEVICE NAME VALUE…             one attribute of ADP1 or BAT1; the kernel tells of it
  quietly COMMAND…                   one of the above, but the kernel tells nobody: what daemons remember is stale
  firmware PROFILE                   the machine's own key for power profiles: low-power, balanced, performance
  suspend | resume                   what logind says before and after
  stop|start|hang|wake upower|profiles|logind
"""
import os
import signal
import subprocess
import sys
import time

import gi
gi.require_version('UMockdev', '1.0')
from gi.repository import Gio, GLib, UMockdev

folder = os.path.abspath(sys.argv[1])
address = f'unix:path={folder}/bus'
plain = {name: value for name, value in os.environ.items() if name != 'LD_PRELOAD'}
# umockdev names the kernel's messages to a process by the number of its socket: of two daemons that happen to use the same
# number one would hear nothing. The files that stay open give the second one other numbers.
programs = {
    'upower': ['/usr/libexec/upowerd'],
    'profiles': ['bash', '-c', 'for ((n = 3; n < 30; n++)); do eval "exec $n</dev/null"; done; exec /usr/libexec/power-profiles-daemon'],
}
names = {'upower': 'org.freedesktop.UPower', 'profiles': 'net.hadess.PowerProfiles', 'logind': 'org.freedesktop.login1'}
running = {}


def wait_until(what, test):
    for _ in range(200):
        if test():
            return
        time.sleep(0.05)
    raise TimeoutError(what)


def start_bus():
    with open(f'{folder}/bus.conf', 'w', encoding='utf-8') as conf:
        conf.write('<busconfig><type>system</type>'
                   f'<listen>{address}</listen><auth>EXTERNAL</auth><policy context="default">'
                   '<allow send_destination="*" eavesdrop="false"/><allow receive_sender="*" eavesdrop="false"/>'
                   '<allow own="*"/></policy></busconfig>')
    running['bus'] = spawn(['dbus-daemon', f'--config-file={folder}/bus.conf', '--nofork', '--nopidfile'], plain)
    wait_until('bus', lambda: os.path.exists(f'{folder}/bus'))
    os.environ['DBUS_SYSTEM_BUS_ADDRESS'] = address


def spawn(command, env=None):
    with open(f'{folder}/daemons.log', 'a', encoding='utf-8') as log:
        return subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def end(process):
    process.send_signal(signal.SIGCONT)
    process.terminate()
    process.wait()


def has_owner(name):
    arguments = GLib.Variant('(s)', (name,))
    reply = bus.call_sync('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', 'NameHasOwner', arguments,
                          None, Gio.DBusCallFlags.NONE, -1, None)
    return reply.unpack()[0]


def request(method, arguments):
    bus.call_sync('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', method, arguments, None,
                  Gio.DBusCallFlags.NONE, -1, None)


def start(service):
    if service == 'logind':
        request('RequestName', GLib.Variant('(su)', (names[service], 0)))
        return
    running[service] = spawn(programs[service])
    wait_until(service, lambda: has_owner(names[service]))


def stop(service):
    if service == 'logind':
        request('ReleaseName', GLib.Variant('(s)', (names[service],)))
        return
    end(running.pop(service))
    wait_until(service, lambda: not has_owner(names[service]))


def change(values, quietly):
    """Sets all the attributes first, as a kernel that knows them all, and tells then."""
    for device, name, value in values:
        bed.set_attribute(devices[device], name, value)
    for device in sorted({device for device, _, _ in values}):
        if not quietly:
            bed.uevent(devices[device], 'change')


def run(command, quietly=False):
    verb, *rest = command.split()
    if verb == 'quietly':
        run(' '.join(rest), True)
    elif verb == 'plug':
        change([('ADP1', 'online', '1'), ('BAT1', 'status', 'Charging')], quietly)
    elif verb == 'unplug':
        change([('ADP1', 'online', '0'), ('BAT1', 'status', 'Discharging')], quietly)
    elif verb == 'level':
        change([('BAT1', 'capacity', rest[0]), ('BAT1', 'energy_now', str(600000 * int(rest[0])))], quietly)
    elif verb == 'set':
        change([(rest[0], rest[1], ' '.join(rest[2:]))], quietly)
    elif verb == 'firmware':
        with open(profile, 'w', encoding='utf-8') as file:
            file.write(rest[0] + '\n')
    elif verb in ('suspend', 'resume'):
        bus.emit_signal(None, '/org/freedesktop/login1', 'org.freedesktop.login1.Manager', 'PrepareForSleep',
                        GLib.Variant('(b)', (verb == 'suspend',)))
        bus.flush_sync(None)
    elif verb == 'start':
        start(rest[0])
    elif verb == 'stop':
        stop(rest[0])
    elif verb in ('hang', 'wake'):
        running[rest[0]].send_signal(signal.SIGSTOP if verb == 'hang' else signal.SIGCONT)
    else:
        raise ValueError(command)


try:
    start_bus()
    bus = Gio.DBusConnection.new_for_address_sync(
        address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
    bus.set_exit_on_close(False)
    bed = UMockdev.Testbed.new()
    firmware = os.path.join(bed.get_root_dir(), 'sys/firmware/acpi')
    profile = os.path.join(firmware, 'platform_profile')
    os.makedirs(firmware)
    with open(profile + '_choices', 'w', encoding='utf-8') as choices:
        choices.write('low-power balanced performance\n')
    run('firmware balanced')
    devices = {
        'ADP1': bed.add_device('power_supply', 'ADP1', None, ['type', 'Mains', 'online', '0'], []),
        'BAT1': bed.add_device('power_supply', 'BAT1', None, [
            'type', 'Battery', 'scope', 'System', 'present', '1', 'status', 'Discharging', 'capacity', '42',
            'energy_full_design', '70000000', 'energy_full', '60000000', 'energy_now', '25200000',
            'voltage_now', '12000000', 'power_now', '10000000'], []),
    }
    for service in ('upower', 'profiles', 'logind'):
        start(service)
    print('ready', bed.get_sys_dir(), flush=True)
    for line in sys.stdin:
        try:
            run(line.strip())
            print('done', flush=True)
        except Exception as error:
            print(repr(error), file=sys.stderr, flush=True)
            print('failed', flush=True)
finally:
    for process in running.values():
        end(process)
