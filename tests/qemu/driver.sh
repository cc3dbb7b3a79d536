# SPDX-License-Identifier: Apache-2.0
# What a driver is put through by test_driver.py, on the platform vera: by a shell of the guest, and on the model's files.
# Only what is printed after BEGIN counts. What two writers at once print stands between TWO WRITERS and ONE WRITER: who
# is first is a race of the driver. NAMES is empty for a driver that looks up names of unknown codes behind its table,
# which may kill the writer. A line HOST: asks for a `livefw machine` command, and a line of input says
# that it is done.
L=${ROOT:-}/sys/firmware/lfa
A=0509b633-5734-422f-a681-6096e932d93a
B=3ab71f81-32b9-496d-841b-e3d0e9fd1a48
C=65922703-2f74-e644-8dff-579ac1ff0610
R=6c0762a6-12f2-4b56-92cb-ba8f633606d9

show() {
    for d in $(ls $L | sort); do
        for f in $(ls $L/$d | sort); do
            value=$(cat $L/$d/$f 2>&1)
            echo "$d/$f $(stat -c '%a %s' $L/$d/$f) ${value##*: }"
        done
    done
}
get() { value=$(cat $L/$1 2>&1); echo "get $1: ${value##*: }"; }
put() { value=$({ echo "$2" > $L/$1; } 2>&1); echo "put $1 $2: ${value##*: }"; }
host() { echo "HOST:$*"; read -r answer; }
stage() { host stage $1 $2; get $1/activation_pending; }
free() { sleep 0.2; for d in $(ls $L | sort); do put $d/cancel 1; done; }
activate() {
    put $1/activate 1
    free
    for d in $(ls $L | sort); do get $d/activation_pending; get $d/current_version; done
}
until_is() {
    tries=0
    while [ "$(cat $L/$1)" != "$2" ] && [ $tries -lt 200 ]; do sleep 0.05; tries=$((tries + 1)); done
    get $1
}

lines() {
    if [ -n "$ROOT" ]; then sed 's/^[^;]*;//' $ROOT/dev/kmsg; else dmesg | sed 's/^\[[^]]*\] //'; fi | grep 'Arm LFA:'
}
told=0
log() { lines | tail -n +$((told + 1)); told=$(lines | wc -l); }

echo "RELEASE $(uname -r)"
echo BEGIN
show
for word in x on off 1 0 Y n t e d enable 2 "" maybe; do put $A/force_cpu_rendezvous "$word"; get $A/force_cpu_rendezvous; done
for word in x on off 1 0 Y n t E D disable 2 "" maybe; do put $A/auto_activate "$word"; get $A/auto_activate; done
# With a forced rendezvous these three would fail on a busy host: the CPU that comes last is too late in TF-A.
for guid in $A $B $C; do put $guid/force_cpu_rendezvous 0; done
put $A/name x
put $A/activate 1
put $A/activate ""
put $A/cancel 0

host stage $A 4.0
get $A/pending_version
get $A/activation_pending
get $A/pending_version
activate $R
activate $A
show

host fault auth-error $R --times 1
activate $R
host fault busy $R --function ACTIVATE --times 3
activate $R
stage $R 2.0
host fault activation-failed $R --times 1
activate $R
activate $R
stage $R 2.1
host fault call-again $R --function ACTIVATE --times 2
activate $R

put $B/auto_activate on
stage $B 2.0
stage $C 3.0
host notify
until_is $B/current_version 2.0
free
show

host fault busy $C --function PRIME --times 1
activate $C
if [ -n "$NAMES" ]; then
    host fault unknown-status $C --function PRIME --times 1
    activate $C
    host fault unknown-status $C --function ACTIVATE --times 1
    activate $C
fi
host fault reorder-after $C
activate $C
stage $A 5.0
host fault appear-after $A
activate $A
show
stage $B 3.0
host fault vanish-after $B
activate $B
stage $C 4.0
host fault critical-error $C --times 1
activate $C

host fault --clear # what a driver that gives up early has left of them
stage $R 3.0
log
echo "TWO WRITERS"
host fault slow $R --ms 2500 --times 1
put $R/activate first > /tmp/first.$$ &
sleep 1
put $R/activate second
wait
cat /tmp/first.$$
rm /tmp/first.$$
log | sort
free
log > /dev/null
host fault --clear
echo "ONE WRITER"
stage $R 3.1
activate $R
show

host fault agent-gone
get $R/activation_pending
get $R/pending_version
get $R/current_version
put $R/activate 1
put $R/cancel 1
log
echo END
