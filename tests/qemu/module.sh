# SPDX-License-Identifier: Apache-2.0
# What the driver of dkms/ is put through by test_module.py, on the platform vera, by a shell of the guest. What it has to
# print is in module.out. A line HOST: asks for a `livefw machine` command, and a line of input says that it is done.
L=/sys/firmware/lfa
A=0509b633-5734-422f-a681-6096e932d93a
B=3ab71f81-32b9-496d-841b-e3d0e9fd1a48
C=65922703-2f74-e644-8dff-579ac1ff0610
R=6c0762a6-12f2-4b56-92cb-ba8f633606d9
M=/modules/000-livefw_lfa.ko
get() { value=$(cat $L/$1 2>&1); echo "get ${1#*-*-*-*-}: ${value##*: }"; }
put() { value=$({ echo "$2" > $L/$1; } 2>&1); echo "put ${1#*-*-*-*-}: ${value##*: }"; }
host() { echo "HOST:$*"; read -r answer; }
try() { echo "TRY $2"; put $1/activate 1; get $1/last_error; get $1/activation_pending; get $1/current_version; }
wait_for() { n=0; while ! eval "$1" && [ $n -lt 600 ]; do sleep 0.05; n=$((n + 1)); done; eval "$1" || echo "never: $1"; }
is() { [ "$(cat $L/$1 2>/dev/null)" = "$2" ]; }
list() { echo "lists $(ls -d $L/*/ | wc -l) of $(cat $L/count)"; }
# Whether somebody listens: the kernel sends the event again as long as nobody has heard it.
heard() { echo change > /sys/class/mem/null/uevent; [ -e /tmp/hears ]; }
cat > /tmp/told <<'P'
[ "$SUBSYSTEM" = mem ] && touch /tmp/hears
[ "$SUBSYSTEM" = lfa ] && echo "uevent $ACTION ${DEVPATH##*-} $LFA_CHANGED" >> /tmp/uevents
P
uevent sh /tmp/told &
wait_for "heard"
echo BEGIN
for g in $A $B $C; do put $g/force_cpu_rendezvous 0; done
try $A "nothing pending"
put $R/cancel 1; get $R/last_error
host stage $C 3.0
host fault busy $C --function PRIME --times 3
try $C "busy prime"
host stage $C 4.0
host fault unknown-status $C --function PRIME --times 1
try $C "unknown prime"
try $C "again"
host stage $C 5.0
host fault duplicate-guid $C
host notify
wait_for "! is $C/activation_pending 1"
list
try $C "while its GUID is there twice"
host fault --clear
try $C "when it is not"
put $B/auto_activate 1; put $C/auto_activate 1
host stage $B 2.0
host stage $C 6.0
host notify
wait_for "is $B/current_version 2.0 && is $C/current_version 6.0"
host stage $C 7.0
host fault reorder-after $C
try $C reorder
host stage $A 5.0
host fault appear-after $A
try $A appear
list
host fault --clear
host stage $B 3.0
host fault vanish-after $B
try $B vanish
wait_for "! [ -d $L/$B ]"
list
host fault --clear
echo TWO WRITERS
host stage $R 2.5
host fault busy $R --function PRIME
put $R/activate 1 > /tmp/first &
wait_for "is $R/last_error 'PRIME LFA_BUSY -2'"
put $A/activate 1
get $A/last_error
host fault --clear
wait %2
cat /tmp/first
echo REMOVAL
host stage $R 3.5
host fault busy $R --function ACTIVATE
put $R/activate 1 > /tmp/first &
wait_for "is $R/last_error 'ACTIVATE LFA_BUSY -2'"
freeze=$({ echo freeze > /sys/power/state; } 2>&1); echo "suspend: ${freeze##*: }"
rmmod livefw_lfa; echo "rmmod: $?"
wait %2
cat /tmp/first
ls $L 2>&1
host fault --clear
insmod $M; try $R "after reload"
echo SECOND DRIVER
insmod /modules/001-livefw_second.ko 2>&1 | sed 's/.*: //'
echo HOSTILE
host fault reserved-bits $C
get $C/activation_pending; get $C/activation_capable; get $C/may_reset_cpu; get $C/cpu_rendezvous
host fault --clear
host stage $C 8.0
host fault garbage-versions $C
get $C/pending_version
host fault --clear
host fault inventory-error $A
host notify
wait_for "! is $A/activation_pending 0"
list
host fault --clear
try $A "read again"
host fault absurd-count
host notify
wait_for "dmesg | grep -q 'image activation failed: -7'"
list
host fault --clear
put $C/force_cpu_rendezvous 1
host fault unknown-status $C --function ACTIVATE --times 1
try $C "unknown activate"
rmmod livefw_lfa
host fault garbage-interface
insmod $M 2>&1 | sed 's/.*: //'
host fault --clear
insmod $M
echo GONE
host fault agent-gone
try $R "no agent"
get $R/pending_version
put $R/cancel 1; get $R/last_error
list
cat /tmp/uevents
dmesg | sed 's/^\[[^]]*\] //' | grep 'Arm LFA\|BUG\|WARN\|Oops\|Call trace'
echo END
